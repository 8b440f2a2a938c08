"""Authentication and permissions: principals, API keys, rate limits."""
