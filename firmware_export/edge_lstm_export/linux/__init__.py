"""What a bundle holds for boards that run Linux: a shared library, a static program, and a shim in plain Python."""
