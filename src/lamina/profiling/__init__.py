"""Where the time goes: operations and layers, timed and counted."""
