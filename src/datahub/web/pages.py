"""The few pages the exchange serves to people: plain HTML, no script of others, nothing from elsewhere.

Every value is escaped; the markup is small enough to be read here.
"""

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from importlib.resources import files

from datahub.kernel.errors import KINDS, Refusal
from datahub.kernel.rest import status_of

_STYLE = """
:root { color-scheme: light dark; --ink: #1b2733; --soft: #5b6b7a; --line: #d8dee5; --page: #fff; --link: #0b57a4; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8edf2; --soft: #a3b1bf; --line: #34404c; --page: #12181e; --link: #7db8f5; } }
body { font: 17px/1.55 system-ui, sans-serif; color: var(--ink); background: var(--page);
       max-width: 46rem; margin: 3rem auto; padding: 0 1.25rem; }
h1 { font-size: 1.7rem; line-height: 1.25; } a { color: var(--link); }
code { background: color-mix(in srgb, var(--line) 45%, transparent); padding: .1em .35em; border-radius: 4px; }
table { border-collapse: collapse; width: 100%; } td, th { text-align: left; padding: .45rem .6rem .45rem 0;
        border-bottom: 1px solid var(--line); vertical-align: top; } .soft { color: var(--soft); }
pre { white-space: pre-wrap; overflow-wrap: anywhere; }
"""
# Swagger UI writes its own inline styles; scripts come from this server alone.
DOCS_CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; frame-ancestors 'none'"
)
PAGE_CSP = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
# The page that verifies a receipt: its own script, no connection to anywhere.
RECEIPT_CSP = "default-src 'none'; script-src 'self'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
ASSETS: Mapping[str, str] = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
}
START_JS = (
    'window.ui = SwaggerUIBundle({ url: "/v1/openapi.json", dom_id: "#reference", deepLinking: true, '
    "persistAuthorization: false, validatorUrl: null });"
)
REFERENCE = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Datahub API</title>'
    '<meta name="viewport" content="width=device-width"><link rel="stylesheet" href="/docs/assets/swagger-ui.css">'
    '</head><body><div id="reference"></div><script src="/docs/assets/swagger-ui-bundle.js"></script>'
    '<script src="/docs/assets/start.js"></script></body></html>'
)


def asset(name: str) -> bytes:
    """Return one file of the API reference, as its package ships it. Raises KeyError for any other name."""
    return (files("fastapi_offline") / "static" / {n: n for n in ASSETS}[name]).read_bytes()


def refusals() -> Sequence[type[Refusal]]:
    """Return every refusal there is, by code."""
    return sorted(_below(Refusal), key=lambda kind: kind.code())


def _below(kind: type[Refusal]) -> Iterator[type[Refusal]]:
    for child in kind.__subclasses__():
        if child not in KINDS:
            yield child
        yield from _below(child)


def meaning(kind: type[Refusal]) -> str:
    """Return the sentence that explains a refusal: the first line of its docstring."""
    return (kind.__doc__ or "").strip().splitlines()[0]


def problem_page(kind: type[Refusal]) -> str:
    """Write the page behind a problem's `type`."""
    return page(
        kind.title,
        f"<h1>{escape(kind.title)}</h1><p>{escape(meaning(kind))}</p>"
        f"<p class=soft>Code <code>{kind.code()}</code> · HTTP status {status_of_kind(kind)}</p>"
        '<p><a href="/problems">All refusals</a></p>',
    )


def problem_index() -> str:
    """Write the page that lists every refusal."""
    rows = "".join(
        f'<tr><td><a href="/problems/{k.code()}"><code>{k.code()}</code></a></td><td>{status_of_kind(k)}</td>'
        f"<td>{escape(meaning(k))}</td></tr>"
        for k in refusals()
    )
    return page(
        "Refusals",
        f"<h1>Refusals</h1><table><tr><th>Code</th><th>Status</th><th>Meaning</th></tr>{rows}</table>",
    )


def landing(name: str) -> str:
    """Write the first page: what this is and where to go."""
    links = (
        ("/docs", "API reference", "every address, with its scope and its answers"),
        ("/v1/datasets", "Catalogue", "open metadata, as JSON or JSON-LD (DCAT 3)"),
        ("/problems", "Refusals", "what each code means"),
        ("/log/verify", "Verify a receipt", "that an entry is in the access log, in your browser"),
        ("/.well-known/oauth-authorization-server", "Authorization server", "RFC 8414 metadata"),
        ("/health/ready", "Health", "whether the exchange can serve"),
    )
    items = "".join(
        f'<tr><td><a href="{href}">{text}</a></td><td class=soft>{why}</td></tr>' for href, text, why in links
    )
    return page(
        name,
        f"<h1>{escape(name)}</h1><p>A trusted data exchange: open metadata, closed data, one log.</p><table>{items}</table>",
    )


def receipt_page() -> str:
    """Write the page that verifies a receipt in the browser, without sending it anywhere."""
    return page(
        "Verify a receipt",
        "<h1>Verify a receipt</h1>"
        "<p>A receipt (<code>.tlog-proof</code>) shows that an entry is in the access log. This page checks it here, in"
        " your browser: it sends nothing.</p>"
        '<form id="verify"><p><label for="receipt">Receipt</label><br><input id="receipt" type="file" required></p>'
        '<p><label for="policy">Trust policy</label><br><input id="policy" type="file" required></p>'
        '<p class=soft>The <a href="/log/trust-policy">trust policy of this exchange</a> names the keys of its log and'
        " its witnesses. Whoever doubts the exchange takes the policy from somebody else.</p>"
        '<p><button>Verify</button></p></form><div id="result" role="status" aria-live="polite"></div>'
        "<noscript><p>Without JavaScript: <code>datahub log verify --receipt FILE --policy FILE</code>.</p></noscript>"
        '<script src="/log/verify/receipt.js"></script>',
    )


def receipt_script() -> bytes:
    """Return the script of that page."""
    return files("datahub.web").joinpath("receipt.js").read_bytes()


def page(title: str, body: str) -> str:
    """Put a body into the one page shape."""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)} · Datahub</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body>{body}</body></html>'
    )


def status_of_kind(kind: type[Refusal]) -> int:
    """Return the HTTP status of a class of refusals."""
    return status_of(kind.__new__(kind))
