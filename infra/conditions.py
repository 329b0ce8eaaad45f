"""What a role assignment is limited to, in Azure's condition language. Pure: text from names."""

from __future__ import annotations

from collections.abc import Iterable

VERSION = "2.0"
ASSIGNMENTS = "Microsoft.Authorization/roleAssignments"
BLOBS = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs"


def only_roles(role_ids: Iterable[str]) -> str:
    """Roles may be granted and revoked only if they are among these, and only for identities and groups."""
    listed = ", ".join(sorted(role_ids))
    # A role to grant is in the request; a role to revoke is in the resource.
    return " AND ".join(
        f"((!(ActionMatches{{'{ASSIGNMENTS}/{action}'}})) OR "
        f"(@{source}[{ASSIGNMENTS}:RoleDefinitionId] ForAnyOfAnyValues:GuidEquals {{{listed}}} AND "
        f"@{source}[{ASSIGNMENTS}:PrincipalType] ForAnyOfAnyValues:StringEqualsIgnoreCase "
        "{'ServicePrincipal', 'Group'}))"
        for action, source in (("write", "Request"), ("delete", "Resource"))
    )


def writes_only(paths: Iterable[str]) -> str:
    """Blobs may be written and deleted only at these paths (`*` is any text); all may be read."""
    elsewhere = " AND ".join(f"!(ActionMatches{{'{BLOBS}/{action}'}})" for action in ("write", "add/action", "delete"))
    here = " OR ".join(f"@Resource[{BLOBS}:path] StringLike '{path}'" for path in paths)
    return f"(({elsewhere}) OR ({here}))"
