"""The queue between the archive and the workers. It carries references, never the only copy."""
