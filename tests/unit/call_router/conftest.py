from hypothesis import settings

from call_router import numbers

# A busy machine is no fault of the code: speed is measured in bench/, not here.
settings.register_profile("siaga", deadline=None)
settings.load_profile("siaga")

numbers.preload()
