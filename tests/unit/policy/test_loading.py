from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perijove_hub.policy import Platform, PlatformFileError, load_platform, parse_platform
from perijove_hub.policy.load import MAXIMUM_BYTES
from tests.support.platforms import SMALL_FILE

DATASET = """\
datasets:
  d:
    title: T
    licence: L
    replicas: [{region: r, url: "s3://data/", credentials: {kind: anonymous}}]
"""


def faults(text: str) -> list[str]:
    with pytest.raises(PlatformFileError) as caught:
        parse_platform(text, "p.yaml")
    assert str(caught.value) == "\n".join(caught.value.faults)
    return caught.value.faults


def small(old: str = "", new: str = "", *, more: str = "") -> str:
    assert old in SMALL_FILE
    return SMALL_FILE.replace(old, new, 1) + more


def test_a_small_file_is_filled_with_what_goes_without_saying() -> None:
    platform = parse_platform(SMALL_FILE, "p.yaml")
    assert platform.sites["esac"].groups == ["*"]
    assert platform.sites["esac"].egress_price_gib == {"default": 0.0}
    assert platform.profiles["standard"].resources.model_dump() == {"cpu": 1, "memory_gib": 2, "gpu": 0}
    assert platform.quotas == []
    assert platform.admission.on_unreachable == "deny"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        pytest.param(small(more="colour: red\n"), "p.yaml:9: colour: unknown key", id="unknown key at the top"),
        pytest.param(
            small("    title", "    name: x\n    title"), "p.yaml:4: sites.esac.name: unknown key", id="unknown"
        ),
        pytest.param(small("    title: ESAC\n"), "p.yaml:2: sites.esac.title: missing", id="missing key"),
        pytest.param(
            small("cpu: 8", "cpu: many"),
            "p.yaml:6: sites.esac.capacity.cpu: Input should be a valid number, unable to parse string as a number",
            id="wrong type",
        ),
        pytest.param(
            small("cpu: 8", "cpu: .inf"),
            "p.yaml:6: sites.esac.capacity.cpu: Input should be a finite number",
            id="endless",
        ),
        pytest.param(
            small("cpu: 8", "cpu: 10001"),
            "p.yaml:6: sites.esac.capacity.cpu: Input should be less than or equal to 10000",
            id="too much",
        ),
        pytest.param(
            small(more="quotas: [{name: q, resource: cpu, limit: .inf}]\n"),
            "p.yaml:9: quotas.0.limit: Input should be a finite number",
            id="no limit by infinity",
        ),
        pytest.param(
            small("kind: local", "kind: moon"),
            "p.yaml:3: sites.esac.kind: Input should be 'local' or 'kubernetes'",
            id="unknown kind",
        ),
        pytest.param(small("    kind: local\n"), "p.yaml:2: sites.esac.kind: missing", id="no kind"),
        pytest.param(
            small("kind: local", "kind: kubernetes\n    namespace: users\n    image: lab\n    hub_api_url: ftp://x"),
            "p.yaml:6: sites.esac.hub_api_url: expected an http(s) address without user or query, such as "
            "https://s3.example",
            id="a key of a kind",
        ),
        pytest.param(
            small("kind: local", "kind: kubernetes\n    namespace: users\n    image: lab\n    connect: ingress"),
            "p.yaml:2: sites.esac: `connect: ingress` and `ingress: {host: …}` go together: give both, or neither",
            id="no edge",
        ),
        pytest.param(
            small(
                "kind: local",
                "kind: kubernetes\n    namespace: users\n    image: lab\n    connect: ingress\n"
                "    ingress: {host: esac.example, gateway: {name: public}, class_name: nginx, tls_secret: mine}",
            ),
            "p.yaml:7: sites.esac.ingress: class_name and tls_secret cannot stand beside `gateway`: a Gateway has its "
            "own class, and its listeners have the certificates",
            id="a Gateway with what an Ingress has",
        ),
        pytest.param(
            small(
                "kind: local",
                "kind: kubernetes\n    namespace: users\n    image: lab\n    hub_api_url: http://hub/hub/api\n"
                "    connect: ingress\n    ingress: {host: esac.example}\n    kubeconfig: {secret: esac}",
            ),
            "p.yaml:8: sites.esac.ingress: say public_url, too: the proxy asks an edge by the platform's name",
            id="an edge of a platform without a name",
        ),
        pytest.param(
            "public_url: https://science.example\n"
            + small(
                "kind: local",
                "kind: kubernetes\n    namespace: users\n    image: lab\n    connect: ingress\n"
                "    ingress: {host: esac.example}",
            ),
            "p.yaml:7: sites.esac.connect: pods of the hub's own cluster are reached by `pod`; an edge is for others",
            id="an edge of the hub's own cluster",
        ),
        pytest.param(
            small("kind: local", "kind: kubernetes\n    namespace: Users\n    image: lab"),
            "p.yaml:4: sites.esac.namespace: expected a name as Kubernetes has them: lower-case letters, digits and "
            "dashes",
            id="no name of Kubernetes",
        ),
        pytest.param(
            small("kind: local", "kind: kubernetes\n    namespace: users\n    image: lab"),
            "p.yaml:2: sites.esac.hub_api_url: say where its sessions reach the hub, here or by public_url",
            id="no way to the hub",
        ),
        pytest.param(
            small(more="time_zone: Europe/Nowhere\n"),
            "p.yaml:9: time_zone: 'Europe/Nowhere' is no time zone of the IANA database, such as Europe/Madrid",
            id="time zone",
        ),
        pytest.param(
            small("esac:", "ESAC!:"),
            "p.yaml:2: sites.ESAC!: expected lower-case letters, digits and dashes, such as cloud-eu",
            id="name of a site",
        ),
        pytest.param(
            small("    title: ESAC", "    mounts_homes_of: [moon]\n    title: ESAC"),
            "p.yaml:4: sites.esac.mounts_homes_of: 'moon' is no site that holds homes",
            id="homes of no site",
        ),
        pytest.param(
            small(more=DATASET.replace("region: r", "site: moon")),
            "p.yaml:13: datasets.d.replicas.0.site: 'moon' is no site of this platform (esac)",
            id="a copy at no site",
        ),
        pytest.param(
            small(more=DATASET.replace("region: r, ", "")),
            "p.yaml:13: datasets.d.replicas.0: a replica needs `site` or `region`",
            id="a copy nowhere",
        ),
        pytest.param(
            small(more=DATASET.replace("anonymous", "magic")),
            "p.yaml:13: datasets.d.replicas.0.credentials.kind: Input should be 'sts' or 'keys' or 'anonymous'",
            id="kind of credentials",
        ),
        pytest.param(
            small(more=DATASET.replace("kind: anonymous", "kind: sts")),
            "p.yaml:13: datasets.d.replicas.0.credentials.secret: missing",
            id="a part of one kind",
        ),
        pytest.param(
            small(more="quotas:\n- {name: q, resource: cpu, limit: 1}\n- {name: q, resource: gpu, limit: 1}\n"),
            "p.yaml:11: quotas.1.name: the name 'q' is used twice",
            id="two quotas of one name",
        ),
        pytest.param(
            small(more=DATASET + "    stays_in: []\n"),
            "p.yaml:14: datasets.d.stays_in: List should have at least 1 item after validation, not 0",
            id="data that stay nowhere",
        ),
        pytest.param(
            small(more=DATASET + f"    size_bytes: {'9' * 400}\n"),
            "p.yaml:14: datasets.d.size_bytes: Input should be less than 9223372036854775808",
            id="more bytes than there are",
        ),
        pytest.param(
            small(more="admission: {slice: 2h}\n"), "p.yaml:9: admission.slice: expected from 1s to 1h", id="long slice"
        ),
        pytest.param(
            small(more="admission: {slice: 0s}\n"), "p.yaml:9: admission.slice: expected from 1s to 1h", id="no slice"
        ),
        pytest.param(
            small(more="placement: {weights: {cost: -1}}\n"),
            "p.yaml:9: placement.weights.cost: Input should be greater than or equal to 0",
            id="negative weight",
        ),
        pytest.param(
            small(more="placement:\n  spill:\n    max_cost_factor: 0.5\n"),
            "p.yaml:11: placement.spill.max_cost_factor: Input should be greater than or equal to 1",
            id="spilling over only where it costs less",
        ),
        pytest.param(
            small("    title: ESAC", "    latency_ms: far\n    title: ESAC"),
            "p.yaml:4: sites.esac.latency_ms: Input should be a valid number, unable to parse string as a number",
            id="latency in words",
        ),
    ],
)
def test_a_fault_names_file_line_and_key(text: str, fault: str) -> None:
    assert faults(text) == [fault]


@pytest.mark.parametrize(
    "length", ["15", "15 m", "-5m", "1.5h", "m", "1w", "01m", "1h30m", "15m\\n", "9999999s", "", 15]
)
@pytest.mark.parametrize("key", ["slice", "least_slice", "notice", "allowed_grace"])
def test_a_length_of_time_has_a_number_and_a_unit(key: str, length: str | int) -> None:
    written = length if isinstance(length, int) else f'"{length}"'
    assert faults(small(more=f"admission:\n  {key}: {written}\n")) == [
        f"p.yaml:10: admission.{key}: expected a length of time such as 30s, 15m, 2h or 7d"
    ]


@pytest.mark.parametrize(
    ("length", "seconds"),
    [("0s", 0), ("30s", 30), ("15m", 900), ("2h", 7200), ("7d", 604_800), ("999999d", 8.64e10 - 86400)],
)
def test_a_length_of_time_is_read_as_people_write_it(length: str, seconds: float) -> None:
    platform = parse_platform(small(more=f"admission: {{notice: {length}}}\n"), "p.yaml")
    assert platform.admission.notice.total_seconds() == seconds


IMAGES = [
    "lab",
    "lab:2026-03",
    "registry.example/euclid/lab:1.2_3",
    "registry.example:5000/lab",
    f"registry.example/lab:1@sha256:{'0a' * 32}",
    "registry.example/my__team/lab:feature--x",
]
NO_IMAGES = [
    "",
    "lab\\n",
    "lab\\nother",
    " lab",
    "lab:1 --privileged",
    "good/../evil",
    "lab..x",
    "lab___x",
    "team//lab",
    "/lab",
    "lab/",
    "lab:",
    "-lab",
    "lab@sha256:beef",
    f"lab@sha256:{'0a' * 32}\\n",
    f"lab@sha256:{'0A' * 32}",
    "https://registry.example/lab",
    "lab;id",
    "läb",
]


@pytest.mark.parametrize("image", IMAGES)
def test_an_image_is_a_plain_reference(image: str) -> None:
    text = small("memory_gib: 2}", f'memory_gib: 2, image: "{image}"}}').replace(
        "    title", f"    images: [{image}]\n    title", 1
    )
    platform = parse_platform(text, "p.yaml")
    assert platform.profiles["standard"].image == image
    assert platform.sites["esac"].images == [image]


@pytest.mark.parametrize("image", NO_IMAGES)
def test_what_is_not_wholly_a_reference_is_no_image(image: str) -> None:
    expected = "expected a container image, such as registry.example/lab:2026-03"
    assert faults(small("memory_gib: 2}", f'memory_gib: 2, image: "{image}"}}')) == [
        f"p.yaml:8: profiles.standard.image: {expected}"
    ]
    assert faults(small("    title", f'    images:\n    - lab\n    - "{image}"\n    title')) == [
        f"p.yaml:6: sites.esac.images.1: {expected}"
    ]


@pytest.mark.parametrize("name", ["AWS_ACCESS_KEY_ID", "PERIJOVE_SITE", "JUPYTERHUB_USER", "LD_PRELOAD"])
def test_a_profile_sets_no_name_that_the_platform_keeps(name: str) -> None:
    text = SMALL_FILE.replace("memory_gib: 2}", f"memory_gib: 2, env: {{{name}: x}}}}")
    assert faults(text) == [
        f"p.yaml:8: profiles.standard.env: {name} is set by the platform; a profile may not set it",
    ]


@pytest.mark.parametrize("url", ["s3://data/a*/", "s3://data/a", "s3://Data/", "http://data/", "s3://data/${u}/"])
def test_the_address_of_a_copy_is_a_plain_prefix(url: str) -> None:
    assert [fault.partition(": ")[2][:23] for fault in faults(small(more=DATASET.replace("s3://data/", url)))] == [
        "datasets.d.replicas.0.u"
    ]


@pytest.mark.parametrize("address", ["ftp://s3.example", "https://me:pw@s3.example", "https://", "https://s3 .example"])
@pytest.mark.parametrize("key", ["endpoint", "credentials.sts_endpoint"])
def test_the_address_of_a_store_is_http_without_a_user(key: str, address: str) -> None:
    changed = DATASET.replace("kind: anonymous", f"kind: sts, secret: s, {key.rpartition('.')[2]}: '{address}'")
    if key == "endpoint":
        changed = DATASET.replace("region: r", f"region: r, endpoint: '{address}'")
    (fault,) = faults(small(more=changed))
    assert fault.startswith(f"p.yaml:13: datasets.d.replicas.0.{key}: ")
    assert "pw" not in fault


def test_every_fault_is_told_at_once() -> None:
    told = faults(small("cpu: 8", "cpu: many").replace("title: Standard", "titel: Standard"))
    assert [fault.split(": ")[1] for fault in told] == [
        "sites.esac.capacity.cpu",
        "profiles.standard.title",
        "profiles.standard.titel",
    ]


def test_checks_over_several_keys_tell_all_that_they_find() -> None:
    more = "quotas:\n- &q {name: q, resource: cpu, limit: 1}\n- *q\n" + DATASET.replace("region: r", "site: moon")
    assert faults(small("    title: ESAC", "    mounts_homes_of: [mars]\n    title: ESAC", more=more)) == [
        "p.yaml:4: sites.esac.mounts_homes_of: 'mars' is no site that holds homes",
        "p.yaml:17: datasets.d.replicas.0.site: 'moon' is no site of this platform (esac)",
        # an alias stands where its anchor stands
        "p.yaml:11: quotas.1.name: the name 'q' is used twice",
    ]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (small(more="currency: EUR\ncurrency: USD\n"), "p.yaml:10: found duplicate key"),
        (small("    title", "\ttitle"), "p.yaml:4: found character '\\t' that cannot start any token"),
        (small(more="a: [1, 2\n"), "p.yaml:10: "),
        (small(more="allocations:\n- start: 2026-02-30\n"), "p.yaml:10: 2026-02-30: day is out of range for month"),
        (small(more="a: !!int many\n"), "p.yaml:9: many: invalid literal for int()"),
        (small(more=f"a: {'9' * 5000}\n"), f"p.yaml:9: {'9' * 40}: Exceeds the limit (4300 digits)"),
        (small(more="currency: *nobody\n"), "p.yaml:9: found undefined alias 'nobody'"),
        (f"---\n{SMALL_FILE}---\na: 1\n", "p.yaml:10: but found another document"),
        (small(more="\0"), "p.yaml: is no YAML: unacceptable character"),
        ("a: &a {b: 1}\na: &a {b: 1}\n", "p.yaml: is no YAML: found duplicate anchor 'a'"),
        ("", "p.yaml:1: expected keys such as `sites:` and `profiles:` at the top"),
        ("- sites\n", "p.yaml:1: expected keys such as `sites:` and `profiles:` at the top"),
        ("[" * 1000, "p.yaml: is no YAML: maximum recursion depth exceeded"),
        (small(more=DATASET + "    extent: {a: !!python/name:os.system x}\n"), "p.yaml:14: a value with a YAML tag"),
    ],
)
def test_what_is_no_yaml_of_ours_is_refused_with_its_line(text: str, fault: str) -> None:
    (told,) = faults(text)
    assert told.startswith(fault)


def test_a_frame_of_an_extent_that_is_not_known_is_refused() -> None:
    (told,) = faults(small(more=DATASET + "    extent: {frame: mars}\n"))
    assert "frame: expected earth or sky" in told
    on_the_sky = small(more=DATASET + "    extent: {frame: sky, spatial: {bbox: [[0, 1, 2, 3]]}}\n")
    assert parse_platform(on_the_sky, "p.yaml").datasets


def test_a_key_that_comes_by_a_merge_is_named_with_the_line_that_merges_it() -> None:
    assert faults(small(more="admission: {<<: {sweep_seconds: often}}\n"))[0].startswith(
        "p.yaml:9: admission.sweep_seconds: Input should be a valid number"
    )


def test_aliases_that_unfold_beyond_memory_are_refused_soon() -> None:
    bomb = "    extent:\n      a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"      a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]\n" for level in range(1, 12)
    )
    begun = time.process_time()  # of this process alone, whatever else the machine does
    (fault,) = faults(small(more=DATASET + bomb))
    assert "with its aliases the file is larger than 100000 values, 50 levels deep" in fault
    assert time.process_time() - begun < 5


def test_nesting_is_bounded() -> None:
    (fault,) = faults(small(more=DATASET + f"    extent: {'[' * 60}{']' * 60}\n"))
    assert fault.startswith("p.yaml:14: with its aliases the file is larger than")


def test_an_alias_that_is_used_as_people_use_them_is_taken() -> None:
    text = SMALL_FILE.replace("{cpu: 8, memory_gib: 16}", "&small {cpu: 8, memory_gib: 16}")
    text = text.replace("profiles:", "  other: {kind: local, title: Other, region: r, capacity: *small}\nprofiles:")
    assert parse_platform(text, "p.yaml").sites["other"].capacity.cpu == 8


def test_what_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"

    def told() -> str:
        with pytest.raises(PlatformFileError) as caught:
            load_platform(path)
        return str(caught.value)

    assert told() == f"{path}: cannot be read: No such file or directory"
    path.write_bytes(b"currency: \xff\n")
    assert told() == f"{path}: byte 10 is not UTF-8"
    path.write_bytes(b"#" * (MAXIMUM_BYTES + 1))
    assert told() == f"{path}: has {MAXIMUM_BYTES + 1} bytes; a platform file has at most {MAXIMUM_BYTES}"
    assert load_platform_of(tmp_path, SMALL_FILE).currency == "EUR"


def load_platform_of(directory: Path, text: str) -> Platform:
    (directory / "good.yaml").write_text(text)
    return load_platform(directory / "good.yaml")


def test_the_version_follows_the_policy_and_not_its_form() -> None:
    version = parse_platform(SMALL_FILE, "p.yaml").version
    assert parse_platform("# a remark\n" + SMALL_FILE, "q.yaml").version == version
    assert parse_platform(small("cpu: 8", "cpu: 9"), "p.yaml").version != version


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.sampled_from([*SMALL_FILE.splitlines(), *DATASET.splitlines(), "<<: *a", "a: &a {b: 1}", "? [x]", "- 1"])
        | st.text(st.characters(codec="utf-8"), max_size=20),
        max_size=12,
    )
)
def test_no_text_gets_more_than_a_refusal(lines: list[str]) -> None:
    told = []
    try:
        parse_platform("\n".join(lines), "p.yaml").version  # noqa: B018 - it must not fail either
    except PlatformFileError as error:
        told = error.faults or ["nothing"]
    assert all(fault.startswith("p.yaml:") for fault in told)


def test_keys_that_stay_with_control_are_for_proxied_datasets_only() -> None:
    keys = DATASET.replace("{kind: anonymous}", "{kind: keys, secret: store}")
    (fault,) = faults(small(more=keys))
    assert fault.endswith("credentials of kind `keys` never leave control: set `delivery: proxied`")
    assert fault.startswith("p.yaml:10: datasets.d")
    parse_platform(small(more=keys + "    delivery: proxied\n"), "p.yaml")
