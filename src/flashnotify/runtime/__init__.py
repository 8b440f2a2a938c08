"""The background parts of the service: worker pools, scheduler, maintenance, supervisor."""
