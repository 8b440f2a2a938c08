"""The HTML part of an email: one column that suits phones, dark screens and old mail clients.

Mail clients drop style sheets, or parts of them, so every element carries its own style; the style
sheet holds only the colours of dark screens, which cannot be written inline. Tables do the layout,
because Outlook's engine supports nothing else. Nothing is loaded from another host.
"""

from collections.abc import Sequence
from string import Template
from typing import NamedTuple


class Line(NamedTuple):
    """A field in one language: its label, and the Jinja sources of its value and its brief form."""

    field: str
    label: str
    value: str
    brief: str

    def guarded(self, source: str) -> str:
        """Wrap Jinja source so that it makes lines only if the field has a value."""
        return when_any([self], source)


def when_any(lines: Sequence[Line], source: str) -> str:
    """Wrap Jinja source so that it makes lines only if one of the fields has a value."""
    if not lines:
        return ""
    present = " or ".join(f"{line.field} is defined" for line in lines)
    return f"{{% if {present} %}}\n{source}\n{{% endif %}}\n"


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
{% if acknowledgement is defined %}
<p style="margin:16px 0 12px">{{ acknowledgement }}</p>
{% endif %}
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
<table role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0" \
style="margin:0 0 16px">
<tr><td class="lead ink" style="padding:12px 16px;background:#f4f5f7;color:#1a1d21;\
border-left:4px solid $colour">
<strong>$label</strong><br>
{{ $field | prose }}
</td></tr>
</table>""")

_DETAILS = Template("""\
<table role="presentation" cellpadding="0" cellspacing="0" border="0" style="margin:0 0 12px">
$rows\
</table>""")

_ROW = Template("""\
<tr>
<td class="faint" valign="top" style="padding:0 16px 4px 0;color:#5b6370;white-space:nowrap">\
$label</td>
<td class="ink" valign="top" style="padding:0 0 4px;color:#1a1d21">$value</td>
</tr>""")


def html_part(
    label: str, colour: str, footer: str, leads: Sequence[Line], lines: Sequence[Line]
) -> str:
    """Return the Jinja source. Message lists preview the start of `leads` and of the body."""
    previews = [
        f"{{% if {lead.field} is defined %}}{{{{ {lead.field} }}}} {{% endif %}}" for lead in leads
    ]
    rows = "".join(line.guarded(_ROW.substitute(line._asdict())) for line in lines)
    return _PAGE.substitute(
        font=_FONT,
        label=label,
        colour=colour,
        footer=footer,
        preview="".join([*previews, "{{ body | truncate(150, false, '…', 0) }}"]),
        lead="".join(
            lead.guarded(_LEAD.substitute(lead._asdict(), colour=colour)) for lead in leads
        ),
        details=when_any(lines, _DETAILS.substitute(rows=rows)),
    )
