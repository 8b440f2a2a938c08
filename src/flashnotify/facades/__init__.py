"""Other services' protocols, in front of this one."""
