"""The resources of SCIM that this service has: schemas, resource types, what it supports.

Attributes that are not here are ignored. That goes for roles, entitlements and passwords, too.
"""

from typing import Annotated, Any, ClassVar, Union

from pydantic import Field
from scim2_models import (
    AuthenticationScheme,
    Bulk,
    CaseExact,
    ChangePassword,
    ComplexAttribute,
    Email,
    ETag,
    Extension,
    Filter,
    GroupMembership,
    Mutability,
    Name,
    Patch,
    PhoneNumber,
    Reference,
    Required,
    Resource,
    ResourceType,
    ScimPolicy,
    ScimProvider,
    ServiceProviderConfig,
    Sort,
    Uniqueness,
)
from scim2_models.resources.resource import AnyExtension
from scim2_models.urn import URN

MAX_RESULTS = 200
MAX_OPERATIONS = 200
CORE_USER = "urn:ietf:params:scim:schemas:core:2.0:User"
CORE_GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
ENTERPRISE_USER = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"


class Manager(ComplexAttribute):
    """A person's manager. Unlike in RFC 7643, a reference is not required: Entra sends none."""

    value: Annotated[str | None, CaseExact.true] = None
    ref: Annotated[str | None, CaseExact.true] = Field(
        None, serialization_alias="$ref", validation_alias="$ref"
    )
    display_name: Annotated[str | None, Mutability.read_only] = None


class EnterpriseUser(Extension):
    """The enterprise extension (RFC 7643, section 4.3)."""

    __schema__: ClassVar[URN | None] = URN(ENTERPRISE_USER)

    employee_number: str | None = None
    cost_center: str | None = None
    organization: str | None = None
    division: str | None = None
    department: str | None = None
    manager: Manager | None = None


class User(Resource[AnyExtension]):
    """The attributes of a user (RFC 7643, section 4.1)."""

    __schema__: ClassVar[URN | None] = URN(CORE_USER)

    user_name: Annotated[str | None, Uniqueness.server, Required.true] = None
    name: Name | None = None
    display_name: str | None = None
    nick_name: str | None = None
    title: str | None = None
    user_type: str | None = None
    preferred_language: str | None = None
    locale: str | None = None
    timezone: str | None = None
    active: bool | None = None
    emails: list[Email] | None = None
    phone_numbers: list[PhoneNumber] | None = None
    groups: Annotated[list[GroupMembership] | None, Mutability.read_only] = None


class Member(ComplexAttribute):
    """Somebody, or a group, in a group."""

    value: Annotated[str | None, Mutability.immutable, CaseExact.true] = None
    ref: Annotated[Reference[Union["User", "Group"]] | None, Mutability.immutable] = Field(  # type: ignore[type-arg]  # by name, as scim2-models has it
        None, serialization_alias="$ref", validation_alias="$ref"
    )
    type: Annotated[str | None, Mutability.immutable] = Field(None, examples=["User", "Group"])


class Group(Resource[Any]):
    """The attributes of a group (RFC 7643, section 4.2)."""

    __schema__: ClassVar[URN | None] = URN(CORE_GROUP)

    display_name: Annotated[str | None, Required.true] = None
    members: list[Member] | None = None


FullUser = User[EnterpriseUser]

# What Entra ID and Okta send: attributes of their own, and what this keeps none of.
POLICY = ScimPolicy(
    unknown=ScimPolicy.Unknown.ignore,
    remove_value_as_filter=ScimPolicy.RemoveValue.apply,
    unmatched_path_filter=ScimPolicy.UnmatchedPathFilter.create,
)


def provider(max_bytes: int) -> ScimProvider:
    """Return the description of this service, whose bulk requests have at most `max_bytes`."""
    bearer = AuthenticationScheme(
        type=AuthenticationScheme.Type.oauthbearertoken,
        name="API key or access token",
        description="An API key or an access token with the scope people, as a bearer token",
        primary=True,
    )
    config = ServiceProviderConfig(
        patch=Patch(supported=True),
        bulk=Bulk(supported=True, max_operations=MAX_OPERATIONS, max_payload_size=max_bytes),
        filter=Filter(supported=True, max_results=MAX_RESULTS),
        change_password=ChangePassword(supported=False),
        sort=Sort(supported=True),
        etag=ETag(supported=True),
        authentication_schemes=[bearer],
    )
    types = [ResourceType.from_resource(FullUser), ResourceType.from_resource(Group)]
    return ScimProvider([User, EnterpriseUser, Group], types, config, POLICY)
