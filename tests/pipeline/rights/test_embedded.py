"""What a picture says of training in its own bytes: XMP and C2PA, and bytes that mean harm."""

import datetime
import io

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from pipeline.rights.embedded import MOST_PACKET, MetadataError, embedded
from pipeline.rights.signals import Statement, refused
from pipeline.settings.consent import ConsentSettings

PLUS = 'xmlns:plus="http://ns.useplus.org/ldf/xmp/1.0/"'
VOCABULARY = "http://ns.useplus.org/ldf/vocab/"
RDF = 'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"'
FORMATS = ("JPEG", "PNG", "PNG, packed", "WEBP")


def xmp(attributes: str = "", inside: str = "") -> bytes:
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
        f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF {RDF}>'
        f'<rdf:Description rdf:about="" {PLUS} {attributes}>{inside}</rdf:Description>'
        '</rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
    ).encode()


def picture(form: str = "JPEG", packet: bytes = b"") -> bytes:
    """A picture with XMP, as Pillow writes it: plain, or packed in a PNG."""
    file = io.BytesIO()
    options: dict = {"xmp": packet} if packet else {}
    if form.startswith("PNG") and packet:
        options = {"pnginfo": PngInfo()}
        options["pnginfo"].add_itxt("XML:com.adobe.xmp", packet.decode(), zip=form == "PNG, packed")
    Image.new("RGB", (90, 60), (200, 30, 30)).save(file, form.split(",")[0], **options)
    return file.getvalue()


# (packet, terms); the last is how Getty's pictures write it
PACKETS = [
    (xmp(f'plus:DataMining="{VOCABULARY}DMI-PROHIBITED"'), ["DMI-PROHIBITED"]),
    (xmp("", f'<plus:DataMining rdf:resource="{VOCABULARY}DMI-PROHIBITED-AIMLTRAINING"/>'),
     ["DMI-PROHIBITED-AIMLTRAINING"]),
    (xmp("", f"<plus:DataMining>{VOCABULARY}DMI-ALLOWED</plus:DataMining>"), ["DMI-ALLOWED"]),
    (xmp(f'plus:DataMining="{VOCABULARY}DMI-UNSPECIFIED"'), ["DMI-UNSPECIFIED"]),
    (xmp(f'plus:DataMining="{VOCABULARY}DMI-PROHIBITED-EXCEPTSEARCHENGINEINDEXING"'),
     ["DMI-PROHIBITED-EXCEPTSEARCHENGINEINDEXING"]),
    (xmp('plus:CreditLineRequired="CR-CRT"'), []),
    (xmp('other="DataMining DMI-PROHIBITED"'), []),
    (xmp(f'plus:DataMining="{VOCABULARY}DMI-PROHIBITED"').replace(b"</rdf:RDF>", b""),
     ["DMI-PROHIBITED"]),  # it does not parse
]  # fmt: skip


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize(("packet", "expected"), PACKETS)
def test_data_mining_terms_are_read_from_the_xmp_that_a_library_writes(form, packet, expected):
    assert embedded(picture(form, packet)) == [Statement("xmp", term) for term in expected]


def split(packet: bytes, n_bytes: int, digest: bytes) -> list[bytes]:
    """The segments of a JPEG that hold a packet which is too long for one."""
    segments = []
    for offset in range(0, len(packet), n_bytes):
        content = b"http://ns.adobe.com/xmp/extension/\0" + digest
        content += len(packet).to_bytes(4, "big") + offset.to_bytes(4, "big")
        content += packet[offset : offset + n_bytes]
        segments.append(b"\xff\xe1" + (2 + len(content)).to_bytes(2, "big") + content)
    return segments


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("n_bytes", [7, 50, 65_400])
@pytest.mark.parametrize(("packet", "expected"), PACKETS)
def test_a_packet_in_several_segments_is_read_as_one(packet, expected, n_bytes, order):
    """As ExifTool and cameras write one beyond 64 KiB, here behind notes or with another's."""
    long = packet.replace(b"<rdf:RDF", b"<!--" + b" " * 70_000 + b"--><rdf:RDF") + b"\n"
    for whole in (packet, long):
        others = split(b"<x:xmpmeta>" + b"note" * 90, 100, b"0" * 32)
        segments = [*others, *split(whole, max(n_bytes, len(whole) // 500), b"A1" * 16)][::order]
        body = picture("JPEG")
        jpeg = body[:2] + b"".join(segments) + body[2:]
        assert embedded(jpeg) == [Statement("xmp", term) for term in expected]
        Image.open(io.BytesIO(jpeg)).load()


def test_segments_that_lie_of_their_place_or_length_are_read_in_linear_time():
    segment = split(b"DataMining", 10, b"B" * 32)[0]
    torn = segment[:2] + b"\xff\xff" + segment[4:]
    body = b"\xff\xd8" + (segment + torn) * 20_000 + b"\xff\xda"
    assert embedded(body) == []


def test_only_a_prohibition_is_refused():
    out = [
        bool(refused(embedded(picture("JPEG", packet)), ConsentSettings())) for packet, _ in PACKETS
    ]
    assert out == [True, True, False, False, True, False, False, True]
    assert embedded(picture()) == []


def test_a_prohibition_is_heard_by_any_prefix_and_in_any_encoding_of_unicode():
    """Namespaces in XML leave a prefix free; ISO 16684-1 has XMP in UTF-8, UTF-16 and UTF-32."""
    plain = xmp(TERM, "<dc:title xmlns:dc='http://purl.org/dc/elements/1.1/'>Füchse 狐</dc:title>")
    alone = plain[plain.index(b"<rdf:RDF") : plain.index(b"</x:xmpmeta>")]
    prefixed = alone.replace(b"rdf:", b"r:").replace(b"xmlns:rdf", b"xmlns:r")
    unprefixed = alone.replace(b"rdf:", b"").replace(b"xmlns:rdf", b"xmlns")
    old = plain.replace(b"x:xmpmeta", b"xap:xapmeta").replace(b"xmlns:x=", b"xmlns:xap=")
    spaced = plain.replace(b"</x:xmpmeta>", b"</x:xmpmeta\n>")
    for packet in (alone, prefixed, unprefixed, old, spaced):
        assert embedded(picture("WEBP", packet)) == [Statement("xmp", "DMI-PROHIBITED")], packet
    for encoding in ("utf-16-le", "utf-16-be", "utf-16", "utf-32-le", "utf-32-be"):
        for odd in (b"", b"x", b"xy"):
            body = picture("WEBP") + odd + plain.decode().encode(encoding)
            assert embedded(body) == [Statement("xmp", "DMI-PROHIBITED")], (encoding, odd)


def test_many_names_outside_of_packets_take_no_longer_than_their_length():
    assert embedded(b"\x89PNG" + b"DataMining" * 10**6) == []
    assert embedded(b"\x89PNG" + b"<r:RDF " * 10**5 + b"</r:RDF " * 10**5) == []


TERM = f'plus:DataMining="{VOCABULARY}DMI-PROHIBITED"'
HOSTILE = {
    "entities": b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>',
    "outside": b'<!DOCTYPE x SYSTEM "file:///etc/passwd">',
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_packet_with_entities_is_parsed_by_nobody(kind):
    packet = xmp(TERM).replace(b'id="W5M0MpCehiHzreSzNTczkc9d"?>', b'id=""?>' + HOSTILE[kind])
    inside = xmp(TERM).replace(b"<rdf:RDF", HOSTILE[kind] + b"<rdf:RDF")
    with pytest.raises(MetadataError):
        embedded(picture("PNG", inside))
    assert embedded(picture("PNG", packet)) == [Statement("xmp", "DMI-PROHIBITED")]


@pytest.mark.parametrize(
    "inside",
    ["<a>" * 500 + "</a>" * 500, "<a b='c'/>" * 30_000, "<!--" + "x" * MOST_PACKET + "-->"],
    ids=["deep", "many", "large"],
)
def test_a_packet_beyond_the_bounds_is_refused(inside):
    for form in FORMATS[1:3]:
        with pytest.raises(MetadataError):
            embedded(picture(form, xmp("", inside + f"<b {TERM}/>")))


def test_a_hundred_megabytes_of_xmp_are_refused_unparsed():
    body = b"\x89PNG" + xmp(TERM).replace(b"</rdf:RDF>", b" " * 100_000_000 + b"</rdf:RDF>")
    with pytest.raises(MetadataError):
        embedded(body.replace(b"</rdf:RDF></x:xmpmeta>", b"</x:xmpmeta>"))


def signed(label: str, uses: dict[str, str]) -> bytes:
    """A picture that c2pa-python signs, with a certificate of the test's own."""
    c2pa = pytest.importorskip("c2pa")
    pytest.importorskip("cryptography")
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    def certificate(name: str, by: object, signs: bool) -> tuple:
        key = ec.generate_private_key(ec.SECP256R1())
        by_key = by[0] if by else key  # type: ignore[index]
        names = [
            x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, text)])
            for text in (name, "root")
        ]
        now = datetime.datetime.now(datetime.UTC)
        day = datetime.timedelta(days=1)
        usage = x509.KeyUsage(True, False, False, False, False, signs, signs, False, False)
        made = (
            x509.CertificateBuilder(names[1], names[0], key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - day)
            .not_valid_after(now + 365 * day)
            .add_extension(x509.BasicConstraints(signs, None), True)
            .add_extension(usage, True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(by_key.public_key()), False
            )
        )
        if not signs:
            mail = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])
            made = made.add_extension(mail, False)
        return key, made.sign(by_key, hashes.SHA256())

    root = certificate("root", None, True)
    key, leaf = certificate("signer", root, False)
    pem = serialization.Encoding.PEM
    chain = b"".join(one.public_bytes(pem) for one in (leaf, root[1]))
    private = key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    signer = c2pa.Signer.from_info(
        c2pa.C2paSignerInfo(alg=b"es256", sign_cert=chain, private_key=private, ta_url=None)
    )
    kind = "http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture"
    created = {"actions": [{"action": "c2pa.created", "digitalSourceType": kind}]}
    entries = {"entries": {name: {"use": use} for name, use in uses.items()}}
    assertions = [{"label": "c2pa.actions", "data": created}]
    assertions += [{"label": label, "data": entries}] if uses else []
    about = {"claim_generator_info": [{"name": "test", "version": "1"}], "assertions": assertions}
    result = io.BytesIO()
    c2pa.Builder(about).sign(signer, "image/jpeg", io.BytesIO(picture()), result)
    return result.getvalue()


@pytest.mark.parametrize(
    ("label", "uses", "no"),
    [
        ("cawg.training-mining", {"cawg.ai_training": "notAllowed"}, True),
        ("cawg.training-mining", {"cawg.data_mining": "constrained"}, True),
        ("cawg.training-mining", {"cawg.ai_training": "allowed"}, False),
        ("cawg.training-mining", {"cawg.ai_inference": "notAllowed"}, False),
        ("c2pa.training-mining", {"c2pa.ai_generative_training": "notAllowed"}, True),
        ("cawg.training-mining", {}, False),
    ],
)
def test_assertions_are_read_from_a_picture_that_c2pa_python_signs(label, uses, no):
    found = embedded(signed(label, uses))
    assert found == [Statement("c2pa", f"{name}={use}") for name, use in uses.items()]
    assert bool(refused(found, ConsentSettings())) is no


def test_a_damaged_manifest_is_no_fault_of_the_picture():
    body = signed("cawg.training-mining", {"cawg.ai_training": "notAllowed"})
    place = body.find(b"training-mining")
    damaged = body[: place + 20] + bytes(200) + body[place + 220 :]
    assert {one.signal for one in embedded(damaged)} <= {"c2pa"}
