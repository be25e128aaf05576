"""What we promise about speed, measured side by side with its baselines."""
