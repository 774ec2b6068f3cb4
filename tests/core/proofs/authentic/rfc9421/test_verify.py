"""What a signature doesn't cover, nobody signed: each refusal, with the smallest change that passes."""

from datetime import timedelta
from typing import Any

import pytest

from pratique import Claim, Fields, Obligation, Refused
from pratique.core.claim import Via
from pratique.core.proofs.authentic.rfc9421 import (
    Algorithm,
    MessageKey,
    RequestMessage,
    RequestSignature,
    ResponseMessage,
    ResponseSignature,
    Signed,
    component_of,
    request_of,
    verify_request,
    verify_response,
)
from pratique.core.proofs.authentic.rfc9421.component import Message, value_of
from pratique.core.refusal import BoundaryError
from tests.core.proofs.authentic.rfc9421.parties import (
    ASKED,
    AT,
    OURS,
    REQUEST,
    RESPONSE,
    SECRET,
    THEIRS,
    URL,
    answer_policy,
    answered,
    pair,
    policy,
    signed,
)

COVERED = ("@method", "@target-uri", "content-digest", "content-type")


def code(message: Message, given: Any = None, *, at: Any = AT) -> str:
    """Return the code with which a message is refused; "" where its signature holds."""
    try:
        if isinstance(message, RequestMessage):
            assert isinstance(verify_request(message, given or policy(), at=at), Signed)
        else:
            assert isinstance(verify_response(message, given or answer_policy(), at=at), Signed)
    except Refused as refused:
        return refused.code
    return ""


def altered(message: Any, **fields: str | None) -> Any:
    """Return a message with other values of fields; None drops one. `a_b` is a-b."""
    names = {name.replace("_", "-").lower(): value for name, value in fields.items()}
    lines: list[tuple[str, str]] = []
    for name, value in message.fields:
        new = names.get(name.lower(), value)
        if new is not None:
            lines.append((name, new))
    made = {"content": message.content, "fields": Fields(lines)}
    if isinstance(message, RequestMessage):
        return RequestMessage(message.method, message.url, **made)
    return ResponseMessage(message.status, request=message.request, **made)


def told(message: Any) -> str:
    """Return the Signature-Input of a message."""
    value: str = message.fields.one("Signature-Input")
    return value


def test_an_honest_request_says_what_was_signed() -> None:
    """The twin of all: covered, created, keyid, nonce and tag come back."""
    made = signed(nonce="n-1", tag="orders", expires=AT + timedelta(minutes=1))
    found = verify_request(made, policy(parameters={"created", "expires", "nonce"}), at=AT)
    assert found == Signed(
        keyid="k",
        label="sig1",
        covered=('"@method"', '"@target-uri"', '"content-digest"'),
        created=AT,
        expires=AT + timedelta(minutes=1),
        nonce="n-1",
        tag="orders",
    )


@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_every_algorithm_signs_and_verifies(algorithm: Algorithm) -> None:
    """RFC 9421 §3.3: each of the registry, and none with another's key."""
    private, public = pair(algorithm)
    made = signed(key=private)
    assert code(made, policy(keys=[public])) == ""
    assert code(made, policy(keys=[private])) == ""
    assert code(altered(made, Content_Type="text/plain"), policy(keys=[public])) == ""
    other = Algorithm.ED25519 if algorithm is not Algorithm.ED25519 else Algorithm.HMAC_SHA256
    assert code(made, policy(keys=[pair(other)[1]])) == "bad_signature"


def test_an_algorithm_that_the_signature_names_chooses_nothing() -> None:
    """CWE-347: it may name its key's, or stay silent; another one is refused."""
    made = signed()
    for said, expected in (("ed25519", "bad_signature"), ("hmac-sha256", "wrong_algorithm")):
        assert code(altered(made, Signature_Input=f'{told(made)};alg="{said}"')) == expected


@pytest.mark.parametrize(
    "left_out", ["@method", "@target-uri", "content-digest"], ids=["method", "uri", "content"]
)
def test_a_component_that_is_owed_must_be_covered(left_out: str) -> None:
    """CWE-345: whoever is in between changes what isn't covered."""
    fewer = [one for one in COVERED if one != left_out]
    assert code(signed(components=fewer)) == "uncovered_component"
    assert code(signed(components=COVERED)) == ""


def test_a_declared_field_must_be_covered() -> None:
    """What a declaration adds is owed like the rest."""
    owes = policy(components=COVERED)
    assert code(signed(), owes) == "uncovered_component"
    assert code(signed(components=COVERED), owes) == ""


def test_the_parts_of_a_target_uri_cover_it_together() -> None:
    """@authority, @path and @query; without the query its parameters are anybody's."""
    parts = ["@method", "@authority", "@path", "content-digest"]
    assert code(signed(components=parts)) == "uncovered_component"
    assert code(signed(components=[*parts, "@query"])) == ""


def test_content_owes_its_digest_and_no_content_owes_none() -> None:
    """A body added to a request without one isn't covered; one taken away isn't its digest's."""
    bare = signed(RequestMessage("GET", URL))
    assert "content-digest" not in told(bare)
    assert code(bare) == ""
    added = RequestMessage("GET", URL, bare.fields, b"x")
    assert code(added) == "uncovered_component"
    made = signed()
    assert code(RequestMessage("POST", URL, made.fields, b"")) == "wrong_digest"
    assert code(altered(made, Content_Digest=None)) == "absent_component"


@pytest.mark.parametrize(
    ("method", "url", "content"),
    [
        ("PUT", URL, REQUEST.content),
        ("POST", "https://api.example/orders", REQUEST.content),
        ("POST", "https://api.example/orders?dry=0", REQUEST.content),
        ("POST", "https://evil.example/orders?dry=1", REQUEST.content),
        ("POST", "http://api.example/orders?dry=1", REQUEST.content),
        ("POST", "https://api.example:8443/orders?dry=1", REQUEST.content),
        ("POST", URL, b'{"amount": 13}'),
    ],
)
def test_a_signature_is_of_one_request(method: str, url: str, content: bytes) -> None:
    """The lines of an honest request on another one: refused."""
    moved = RequestMessage(method, url, signed().fields, content)
    assert code(moved) in ("bad_signature", "wrong_digest")


def test_a_host_in_capitals_and_the_port_of_its_scheme_are_the_same_target() -> None:
    """The twin. RFC 9421 §2.2.3: normalised, since both sides may write it so."""
    same = RequestMessage(
        "POST", "HTTPS://API.example:443/orders?dry=1", signed().fields, REQUEST.content
    )
    assert code(same) == ""


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda s: s.replace('"@method" ', '"@method" "@method" '), "duplicate_component"),
        (lambda s: s.replace('"@method"', '"@method" "x-none"'), "absent_component"),
        (lambda s: s.replace('"@method"', '"@method" "@unknown"'), "unsupported_component"),
        (lambda s: s.replace('"@method"', '"@method" "@status"'), "unsupported_component"),
        (lambda s: s.replace('"@method"', '"@method" "@method";req'), "unsupported_component"),
        (lambda s: s.replace('"@method"', '"@method" "@path";x'), "unsupported_component"),
        (lambda s: s.replace('"@method"', '"@method" "@signature-params"'), "unsupported_component"),
        (lambda s: s.replace('"@method"', '"@method" "content-type";tr'), "unsupported_component"),
        (lambda s: s.replace('"@method"', '"@method" "content-type";sf'), "unsupported_component"),
        (lambda s: s.replace('"@method"', '"@method" "content-type";bs;sf'), "unsupported_component"),
        (lambda s: s.replace('"@method"', '"@method" "content-type";bs=?0'), "unsupported_component"),
        (lambda s: s.replace('"@method"', '"@method" "content-type";x=1'), "unsupported_component"),
        (lambda s: s.replace('"@method"', '"@method" "content-type";key=1'), "unsupported_component"),
        (lambda s: s.replace('"@method"', '"@method" "Content-Type"'), "malformed_signature"),
        (lambda s: s.replace('"@method"', "@method"), "malformed_signature"),
        (lambda s: s.replace('"@method"', "method"), "malformed_signature"),
        (lambda s: s.replace('"@method"', '"@method" ""'), "malformed_signature"),
        (lambda s: s + ";x=1", "unknown_parameter"),
        (lambda s: s + ";created=1", "malformed_signature"),
        (lambda s: s.replace("created=", "created=0"), "malformed_signature"),
        (lambda s: s.replace("created=", "created=-"), "malformed_signature"),
        (lambda s: s.replace("created=", "created=999"), "malformed_signature"),
        (lambda s: s.replace(";keyid", ".0;keyid"), "malformed_signature"),
        (lambda s: s.replace('keyid="k"', "keyid=k"), "malformed_signature"),
        (lambda s: s.replace('keyid="k"', 'keyid="other"'), "unknown_key"),
        (lambda s: s.replace(';keyid="k"', ""), "unknown_key"),
        (lambda s: s.replace(";created=", ";expires="), "missing_parameter"),
        (lambda s: s + ", " + s, "malformed_signature"),
        (lambda s: s.replace("sig1=", "sig2="), "malformed_signature"),
        (lambda s: "sig1=1", "malformed_signature"),
        (lambda s: "", "missing_signature"),
        (lambda s: "sig1=()", "uncovered_component"),
        (lambda s: s + f';nonce="{"n" * 257}"', "signature_too_large"),
        (lambda s: s + " " * 8193 + ",x=()", "signature_too_large"),
        (lambda s: s.replace('"@method"', " ".join(f'"x-{n}"' for n in range(40))), "signature_too_large"),
        (lambda s: ", ".join([s, *(f"x{n}=()" for n in range(8))]), "too_many_signatures"),
    ],
)  # fmt: skip
def test_a_signature_input_that_was_changed_is_refused(change: Any, expected: str) -> None:
    """Each by its own code; unchanged it passes."""
    made = signed()
    assert code(made) == ""
    assert code(altered(made, Signature_Input=change(told(made)))) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "missing_signature"),
        ("", "missing_signature"),
        ("sig1", "malformed_signature"),
        ('sig1="abc"', "malformed_signature"),
        ("sig1=()", "malformed_signature"),
        ("sig2=:AAAA:", "malformed_signature"),
        ("sig1=:AAAA:;x", "malformed_signature"),
        ("sig1=:AA=A:", "malformed_signature"),
        ("sig1=::", "bad_signature"),
        ("sig1=:AAAA:", "bad_signature"),
    ],
)
def test_a_signature_that_is_none_is_refused(value: str | None, expected: str) -> None:
    """Stripped, empty, another type, another label, another length."""
    assert code(altered(signed(), Signature=value)) == expected
    assert code(altered(signed(), Signature_Input=None)) == "missing_signature"


def test_lines_of_one_field_are_one_dictionary() -> None:
    """RFC 9421 §4: two lines with two labels are joined; two with one label disagree."""
    made = signed()
    mine = told(made)
    proxy = 'proxy=("@method");created=1;keyid="proxy"'
    lines = [line for line in made.fields if line[0] != "Signature-Input"]

    def with_inputs(*inputs: str) -> RequestMessage:
        fields = Fields([*lines, *(("Signature-Input", one) for one in inputs)])
        return RequestMessage("POST", URL, fields, REQUEST.content)

    assert code(with_inputs(proxy, mine)) == ""  # the one whose key is ours
    assert code(with_inputs(mine, mine)) == "malformed_signature"
    assert code(with_inputs(mine, mine.replace("@method", "@path"))) == "malformed_signature"


def test_the_signature_that_is_meant_is_declared() -> None:
    """By label or tag; where two could be meant, neither is taken."""
    once = signed(label="first", tag="a")
    twice = signed(once, label="second", tag="b", components=COVERED)
    assert code(twice) == "ambiguous_signature"
    for given in ({"label": "first"}, {"tag": "a"}):
        assert verify_request(twice, policy(**given), at=AT).label == "first"
    assert code(twice, policy(label="second")) == ""
    assert code(twice, policy(label="third")) == "missing_signature"
    assert code(twice, policy(label="first", tag="b")) == "missing_signature"


def test_a_signature_has_an_age() -> None:
    """CWE-294: by the clock of whoever verifies, after the signature held."""
    made = signed()
    for seconds, expected in ((301, "stale"), (299, ""), (-61, "from_the_future"), (-59, "")):
        assert code(made, at=AT + timedelta(seconds=seconds)) == expected
    with pytest.raises(Refused) as refused:
        verify_request(made, policy(), at=AT + timedelta(hours=1))
    assert refused.value.obligation is Obligation.FRESH
    forged = altered(made, Signature="sig1=:AAAA:")
    assert code(forged, at=AT + timedelta(hours=1)) == "bad_signature"


def test_a_signature_ends_when_it_says() -> None:
    """`expires` is kept whether or not it is owed."""
    made = signed(expires=AT + timedelta(seconds=10))
    assert code(made, at=AT + timedelta(seconds=9)) == ""
    assert code(made, at=AT + timedelta(seconds=10)) == "expired"


def test_an_end_alone_is_an_age_too() -> None:
    """Without `created` the time until `expires` is bounded."""
    ends = AT + timedelta(minutes=4)
    base_of = signed(expires=ends)
    only = told(base_of).replace(f";created={AT.timestamp():.0f}", "")
    resigned = sign_raw(base_of, only)
    owes = policy(parameters={"expires"})
    assert code(resigned, owes) == ""
    assert code(resigned, owes, at=AT - timedelta(minutes=2)) == "lives_too_long"
    assert code(resigned) == "missing_parameter"


def sign_raw(message: RequestMessage, text: str) -> RequestMessage:
    """Return a request signed over a Signature-Input of the test's own."""
    from pratique.core.proofs.authentic.rfc9421.base import signature_base
    from pratique.core.proofs.authentic.rfc9421.signature_input import covered_by
    from pratique.core.structured import Item, read_dictionary, write_dictionary

    member: Any = read_dictionary(text)["sig1"]
    covered, params = covered_by(member)
    signature = OURS.sign(signature_base(covered, params, message))
    written = write_dictionary({"sig1": Item(signature)})
    made: RequestMessage = altered(message, Signature_Input=text, Signature=written)
    return made


@pytest.mark.parametrize("name", ["created", "expires", "nonce"])
def test_a_parameter_that_is_owed_must_be_there(name: str) -> None:
    """Present, it passes; absent or empty it doesn't."""
    full = signed(nonce="n", expires=AT + timedelta(seconds=60))
    owes = policy(parameters={name, "created"})
    assert code(full, owes) == ""
    if name != "created":
        assert code(signed(), owes) == "missing_parameter"
        empty = altered(full, Signature_Input=told(full).replace('nonce="n"', 'nonce=""'))
        assert code(empty, policy(parameters={"created", "nonce"})) == "missing_parameter"


def test_an_answer_is_bound_to_what_was_asked() -> None:
    """RFC 9421 §2.4: `;req` is taken from OUR request, never from what the answer says of it."""
    made = answered()
    assert code(made) == ""
    others = (
        RequestMessage("GET", URL, ASKED.fields, ASKED.content),
        RequestMessage("POST", URL.replace("dry=1", "dry=0"), ASKED.fields, ASKED.content),
        altered(ASKED, Content_Digest="sha-256=:AAAA:"),
    )
    for other in others:
        assert code(ResponseMessage(200, made.fields, made.content, other)) == "bad_signature"
    for none in (None, altered(ASKED, Content_Digest=None)):
        assert code(ResponseMessage(200, made.fields, made.content, none)) == "absent_component"
    assert code(ResponseMessage(201, made.fields, made.content, ASKED)) == "bad_signature"
    assert code(ResponseMessage(200, made.fields, b"{}", ASKED)) == "wrong_digest"


def test_an_answer_without_content_is_bound_to_what_was_asked_all_the_same() -> None:
    """It has no digest of its own to be compared; content that is added to it is uncovered."""
    empty = answered(ResponseMessage(202, Fields(), b"", ASKED))
    assert '"content-digest";req' in told(empty)
    assert code(empty) == ""
    assert code(ResponseMessage(202, empty.fields, b"{}", ASKED)) == "uncovered_component"


def test_an_answer_that_is_bound_to_nothing_needs_a_declaration_that_says_so() -> None:
    """By default `;req` is owed; named without, an answer to another request passes."""
    loose = answered(components=("@status", "content-digest"))
    assert code(loose) == "uncovered_component"
    unbound = answer_policy(components=("@status", "content-digest"))
    assert code(loose, unbound) == ""
    assert not unbound.is_bound_to_the_request
    assert answer_policy().is_bound_to_the_request


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"keys": []}, "verifies nothing"),
        ({"keys": [THEIRS, OURS]}, "two keys have one keyid"),
        ({"max_age": timedelta(0)}, "above zero"),
        ({"max_lead": timedelta(seconds=-1)}, "above zero"),
        ({"parameters": ()}, "created or expires"),
        ({"parameters": {"nonce"}}, "created or expires"),
        ({"parameters": {"created", "keyid"}}, "created or expires"),
        ({"components": ()}, "uncovered"),
        ({"components": ("@method", "content-digest")}, "@target-uri"),
        ({"components": ("@target-uri", "content-digest")}, "@method"),
        ({"components": ("@method", "@target-uri")}, "content-digest"),
        ({"components": ("@method", "@authority", "@path", "content-digest")}, "@target-uri"),
        ({"components": (*COVERED, "Date")}, "lower case"),
        ({"components": (*COVERED, "date;")}, "a name"),
    ],
)
def test_a_policy_that_leaves_something_open_is_refused(given: dict[str, Any], said: str) -> None:
    """Law 6: where it is written. The twin is every other test here."""
    with pytest.raises(BoundaryError, match=said):
        policy(**given)


def test_a_policy_of_answers_owes_status_and_content() -> None:
    """No declaration may leave them out."""
    for components in (("@status",), ("content-digest",)):
        with pytest.raises(BoundaryError, match="uncovered"):
            ResponseSignature(keys=[THEIRS], max_age=timedelta(1), components=components)
    whole = ("@method", "@authority", "@path", "@query", "content-digest")
    assert RequestSignature(keys=[THEIRS], max_age=timedelta(1), components=whole)


def test_a_claim_becomes_the_request_that_was_signed() -> None:
    """The origin is declared by us: Host is the sender's to write."""
    made = signed()
    via = Via(method="POST", target="/orders?dry=1")
    fields = Fields([*made.fields, ("Host", "evil.example")])
    claim = Claim(REQUEST.content, fields, AT, via)
    assert code(request_of(claim, origin="https://api.example")) == ""
    assert code(request_of(claim, origin="https://other.example/")) == "bad_signature"
    with pytest.raises(ValueError, match="scheme and the host"):
        request_of(claim, origin="https://api.example/v1")
    for target in ("*", "https://api.example/orders", "", "//evil.example"):
        moved = Claim(REQUEST.content, fields, AT, Via(method="POST", target=target))
        with pytest.raises(Refused) as refused:
            verify_request(request_of(moved, origin="https://api.example"), policy(), at=AT)
        assert refused.value.code == ("bad_signature" if target == "//evil.example" else "bad_url")


URI = "https://www.example.com/path?param=value&foo=bar&baz=batman&qux="
WWW = "https://www.example.com/parameters?var=this%20is%20a%20big%0Amultiline%20value&bar=with+plus+whitespace&fa%C3%A7ade%22%3A%20=something"
DICT = Fields(
    [
        ("Example-Dict", "  a=1,    b=2;x=1;y=2,   c=(a   b   c), d"),
        ("Example-Header", "value, with, lots"),
        ("Example-Header", "of, commas"),
        ("X-Ows", "   Leading and trailing whitespace.   "),
        ("X-Empty", ""),
        ("Priority", "  u=1,   i "),
        ("X-Latin", "caf\xe9"),
        ("X-Euro", "\u20ac"),
        ("X-Long", "a" * 16_385),
        ("Set-Cookie", "a=1"),
        ("Set-Cookie", "b=2"),
    ]
)


@pytest.mark.parametrize(
    ("identifier", "value"),
    [
        ("@method", "POST"),
        ("@target-uri", URI),
        ("@authority", "www.example.com"),
        ("@scheme", "https"),
        ("@request-target", "/path?param=value&foo=bar&baz=batman&qux="),
        ("@path", "/path"),
        ("@query", "?param=value&foo=bar&baz=batman&qux="),
        ('@query-param;name="baz"', "batman"),
        ('@query-param;name="qux"', ""),
        ("x-ows", "Leading and trailing whitespace."),
        ("x-empty", ""),
        ('"x-empty"', ""),
        ("example-header", "value, with, lots, of, commas"),
        ("example-header;bs", ":dmFsdWUsIHdpdGgsIGxvdHM=:, :b2YsIGNvbW1hcw==:"),
        ("x-latin;bs", ":Y2Fm6Q==:"),
        ("set-cookie;bs", ":YT0x:, :Yj0y:"),
        ("priority;sf", "u=1, i"),
        ('example-dict;key="a"', "1"),
        ('example-dict;key="d"', "?1"),
        ('example-dict;key="b"', "2;x=1;y=2"),
        ('example-dict;key="c"', "(a b c)"),
        ('priority;key="u";sf', "1"),
    ],
)  # fmt: skip
def test_a_component_has_the_value_that_the_standard_gives_it(identifier: str, value: str) -> None:
    """RFC 9421 §2.1 to §2.2, its own examples among them."""
    message = RequestMessage("POST", URI, DICT)
    assert value_of(component_of(identifier), message) == value
    answer = ResponseMessage(503, request=message)
    assert value_of(component_of(f"{identifier};req"), answer) == value
    assert value_of(component_of("@status"), answer) == "503"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("var", "this%20is%20a%20big%0Amultiline%20value"),
        ("bar", "with%20plus%20whitespace"),
        ("fa%C3%A7ade%22%3A%20", "something"),
    ],
)
def test_a_parameter_of_the_query_is_quoted_anew(name: str, value: str) -> None:
    """RFC 9421 §2.2.8, its own examples."""
    found = component_of(f'@query-param;name="{name}"')
    assert value_of(found, RequestMessage("GET", WWW)) == value


@pytest.mark.parametrize(
    ("identifier", "url", "expected"),
    [
        ("@query", "https://a.example", "?"),
        ("@path", "https://a.example", "/"),
        ("@query", "https://a.example?", "?"),
        ("@target-uri", "https://a.example?", "https://a.example/?"),
        ("@authority", "https://[2001:DB8::1]:8443/", "[2001:db8::1]:8443"),
        ("@authority", "http://a.example:443/", "a.example:443"),
        ("@query-param", "https://a.example/?a=1", "unsupported_component"),
        ('@query-param;name="a"', "https://a.example/?a=1&a=2", "unsupported_component"),
        ('@query-param;name="a"', "https://a.example/?a=1&%61=2", "unsupported_component"),
        ('@query-param;name="a"', "https://a.example/?b=1", "absent_component"),
        ('@query-param;name="a";x', "https://a.example/?a=1", "unsupported_component"),
        ('@query-param;name="a"', f"https://a.example/?a=1&{'b&' * 256}", "unsupported_component"),
        ("@path", "https://a.example/a b", "bad_url"),
        ("@path", "https://user@a.example/", "bad_url"),
        ("@path", "https://a.example/#a", "bad_url"),
        ("@path", "ftp://a.example/", "bad_url"),
        ("@path", "https://a.example/\n", "bad_url"),
        ("@path", "https://a.example/" + "a" * 8192, "bad_url"),
        ("x-latin", "https://a.example/", "unsupported_component"),
        ("x-euro;bs", "https://a.example/", "unsupported_component"),
        ("x-euro", "https://a.example/", "unsupported_component"),
        ("x-long;bs", "https://a.example/", "unsupported_component"),
        ("x-long", "https://a.example/", "unsupported_component"),
        ("example-dict;key=a", "https://a.example/", "unsupported_component"),
        ("priority;sf=1", "https://a.example/", "unsupported_component"),
        ("x-ows;tr", "https://a.example/", "unsupported_component"),
        ("x-none", "https://a.example/", "absent_component"),
        ("set-cookie", "https://a.example/", "unsupported_component"),
        ("example-dict;sf", "https://a.example/", "unsupported_component"),
        ('x-ows;key="a"', "https://a.example/", "unsupported_component"),
        ('example-dict;key="z"', "https://a.example/", "absent_component"),
    ],
)  # fmt: skip
def test_a_component_at_its_edges(identifier: str, url: str, expected: str) -> None:
    """What has a value, and what has none."""
    try:
        found = value_of(component_of(identifier), RequestMessage("GET", url, DICT))
    except Refused as refused:
        found = refused.code
    assert found == expected


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: MessageKey.public("", "ed25519", SECRET), "keyid"),
        (lambda: MessageKey.public("é", "ed25519", SECRET), "keyid"),
        (lambda: MessageKey.public("k", "none", SECRET), "no algorithm"),
        (lambda: MessageKey.public("k", "hmac-sha256", SECRET), "no public key"),
        (lambda: MessageKey.public("k", "ed25519", b"short"), "can't be read"),
        (lambda: MessageKey.public("k", "ecdsa-p256-sha256", SECRET), "can't be read"),
        (lambda: MessageKey.private("k", "ed25519", "-----BEGIN"), "can't be read"),
        (lambda: MessageKey.shared("k", b"k" * 31), "at least 32"),
        (lambda: MessageKey.shared("k", b""), "at least 32"),
        (lambda: MessageKey.shared("k", b"-----BEGIN PUBLIC KEY-----" + b"k" * 32), "PEM"),
    ],
)  # fmt: skip
def test_a_key_that_is_none_is_refused(make: Any, said: str) -> None:
    """Weak, of another algorithm, a public key as a secret (SV-06): where it is written."""
    with pytest.raises(BoundaryError, match=said):
        make()
    assert repr(OURS) == "MessageKey('k', ed25519)"


def test_no_message_shows_what_it_holds() -> None:
    """A URL and a field may be secrets; sizes and names are enough."""
    assert repr(REQUEST) == "RequestMessage(14 bytes, Fields(Content-Type))"
    assert repr(RESPONSE) == "ResponseMessage(200, 12 bytes, Fields(Content-Type))"


def test_a_method_that_is_two_lines_is_no_line_of_the_base() -> None:
    """Attack: a value with a line break writes a component of its own into the base."""
    for method in ('POST\n"@path": /x', "PÖST"):
        moved = RequestMessage(method, URL, signed().fields, REQUEST.content)
        assert code(moved) == "unsupported_component"


def test_an_answer_keeps_its_cookies_apart() -> None:
    """The twin of several Set-Cookie lines under bs: one line alone is covered as it is."""
    one = ResponseMessage(200, Fields([("Set-Cookie", "a=1")]), RESPONSE.content, REQUEST)
    assert value_of(component_of("set-cookie"), one) == "a=1"
