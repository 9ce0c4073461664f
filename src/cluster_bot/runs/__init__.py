"""The domain: what a run is and how it moves. Pure; no input or output, no clock, no library but the standard one."""
