"""Programs for boards: compilers for their cores, images linked with them, and the C around a model."""
