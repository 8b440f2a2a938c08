"""SCIM 2.0 (RFC 7643, RFC 7644): the campus directory pushes its people and groups.

`loading` imports everything else with the first request, since scim2-models takes half a second.
"""
