"""What a run writes while it goes: metrics, audit, alarms, progress."""
