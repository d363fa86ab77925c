"""Python interface: functions and classes that ``import georaster_dl`` offers by name."""
