"""The paths that people take through the portal."""
