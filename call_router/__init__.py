"""Who takes this call, and when: pure policy. No wire, no SQL, no clock."""
