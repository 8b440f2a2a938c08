"""Declarations that do work: metaclasses, descriptors, decorators, and the specs they make."""
