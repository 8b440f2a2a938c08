"""Declarations that do work: the metaclasses, descriptors, decorators and the specs they compile to."""
