"""The package behind the course: one concept a module, imported by name."""
