"""The HTML part of an email: one column that suits phones, dark screens and old mail clients.

Mail clients drop style sheets, or parts of them, so every element carries its own style; the style
sheet holds only the colours of dark screens, which cannot be written inline. Tables do the layout,
because Outlook's engine supports nothing else. Nothing is loaded from another host.
"""

from __future__ import annotations

from collections.abc import Sequence
from string import Template
from typing import TypeAlias

# The Jinja test for whether to show a line, its label, and the Jinja source of its value.
Line: TypeAlias = tuple[str, str, str]

_PAGE = Template("""\
<!doctype html>
<html lang="{{ locale }}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="supported-color-schemes" content="light dark">
<title>{{ title }}</title>
<style>
:root { color-scheme: light dark; }
@media (prefers-color-scheme: dark) {
  .page { background: #101216 !important; }
  .card { background: #1d2026 !important; }
  .lead { background: #2a2e36 !important; }
  .ink, .ink a { color: #f1f3f5 !important; }
  .faint { color: #a9b0bb !important; }
}
</style>
</head>
<body class="page" style="margin:0;padding:0;background:#f0f2f5;word-break:break-word;\
-webkit-text-size-adjust:100%">
<div style="display:none;max-height:0;overflow:hidden;mso-hide:all">\
$preview</div>
<table role="presentation" class="page" width="100%" cellpadding="0" cellspacing="0" border="0" \
style="background:#f0f2f5">
<tr><td align="center" style="padding:16px 12px">
<table role="presentation" class="card" width="100%" cellpadding="0" cellspacing="0" border="0" \
style="max-width:600px;background:#ffffff;border-radius:8px;overflow:hidden;text-align:left;\
$font">
<tr><td style="padding:10px 20px;background:$colour;color:#ffffff;font-size:14px;\
font-weight:bold">$label</td></tr>
<tr><td class="ink" style="padding:20px 20px 8px;color:#1a1d21">
<h1 style="margin:0 0 16px;font-size:22px;line-height:1.3">{{ title }}</h1>
$lead\
<p style="margin:0 0 16px">{{ body | prose }}</p>
$details\
</td></tr>
</table>
<p class="faint" style="margin:12px 20px 0;color:#5b6370;$font;font-size:13px">$footer</p>
</td></tr>
</table>
</body>
</html>
""")

_FONT = "font-family:system-ui,-apple-system,'Segoe UI',Roboto,Arial,sans-serif;\
font-size:16px;line-height:1.5"

_LEAD = Template("""\
{% if $present %}
<table role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0" \
style="margin:0 0 16px">
<tr><td class="lead ink" style="padding:12px 16px;background:#f4f5f7;color:#1a1d21;\
border-left:4px solid $colour">
<strong>$label</strong><br>
{{ $field | prose }}
</td></tr>
</table>
{% endif %}
""")

_DETAILS = Template("""\
{% if $present %}
<table role="presentation" cellpadding="0" cellspacing="0" border="0" style="margin:0 0 12px">
$rows\
</table>
{% endif %}
""")

_ROW = Template("""\
{% if $present %}
<tr>
<td class="faint" valign="top" style="padding:0 16px 4px 0;color:#5b6370;white-space:nowrap">\
$label</td>
<td class="ink" valign="top" style="padding:0 0 4px;color:#1a1d21">$value</td>
</tr>
{% endif %}
""")


def html_part(
    *, label: str, colour: str, footer: str, lead: Sequence[Line], details: Sequence[Line]
) -> str:
    """Return the Jinja source. Message lists preview the start of `lead` and of the body."""
    previews = [f"{{% if {test} %}}{{{{ {field} }}}} {{% endif %}}" for test, _, field in lead]
    rows = [
        _ROW.substitute(present=test, label=label, value=value) for test, label, value in details
    ]
    return _PAGE.substitute(
        font=_FONT,
        label=label,
        colour=colour,
        footer=footer,
        preview="".join([*previews, "{{ body | truncate(150, false, '…', 0) }}"]),
        lead="".join(
            _LEAD.substitute(present=test, label=label, field=field, colour=colour)
            for test, label, field in lead
        ),
        details=_DETAILS.substitute(
            present=" or ".join(test for test, _, _ in details), rows="".join(rows)
        ),
    )
