"""Check an audit package, with nothing but Python 3.9 or later: python3 verify.py [--head SHA256]

It works out again: the digest of every file, the record's chain from its first link to its newest, the digest of every
recorded row, that the tables hold just what the record holds of the period, and which changes a sample draws. It ends
with 0 where all fits, or with 1 and a line for each thing that does not.

--head: a digest that was noted down earlier, from a message or an export: it has to stand in the chain.
"""

import csv
import hashlib
import json
import os
import re
import sys
from binascii import unhexlify
from datetime import datetime
from json.encoder import encode_basestring
from operator import itemgetter

HERE = os.path.dirname(os.path.abspath(__file__))
SHOWN = 20
csv.field_size_limit(1 << 30)
# Made once: json.loads would make one for each of a million rows.
decoded = json.JSONDecoder(parse_float=str).decode
# How lists and objects begin as Postgres writes them; ids in braces begin otherwise.
JSON = frozenset(["{}", '{"'] + ["[" + one for one in '"{[]-0123456789tfn'])


class Problems:
    """What does not fit."""

    def __init__(self):
        self.count = 0

    def add(self, text):
        """Print it, unless many were."""
        self.count += 1
        if self.count <= SHOWN:
            print("does not fit: " + text)
        elif self.count == SHOWN + 1:
            print("more is not shown")


def opened(name, *columns):
    """These columns of a table of the package, row by row as tuples; where none is named all cells as a list."""
    with open(os.path.join(HERE, name), encoding="utf-8", newline="") as file:
        rows = csv.reader(file)
        header = next(rows)
        of_row = cells(header, columns) if columns else list
        for row in rows:
            if len(row) != len(header):
                raise ValueError("%s: a row has %d cells, not %d" % (name, len(row), len(header)))
            yield of_row(row)


def cells(header, columns):
    """A function that picks columns out of a row, as a tuple."""
    places = [header.index(one) for one in columns]
    if len(places) == 1:
        return lambda row: (row[places[0]],)
    return itemgetter(*places)


def check_files(manifest, problems):
    """Every file is the one that the manifest names, and there is no other."""
    named = {one["path"]: one for one in manifest["files"]}
    for path, one in sorted(named.items()):
        digest, size = hashlib.sha256(), 0
        try:
            with open(os.path.join(HERE, path), "rb") as file:
                while True:
                    block = file.read(1 << 20)
                    if not block:
                        break
                    digest.update(block)
                    size += len(block)
        except OSError:
            problems.add("file %s is missing" % path)
            continue
        if digest.hexdigest() != one["sha256"] or size != one["bytes"]:
            problems.add("file %s is not the one that the manifest names" % path)
    for folder, below, files in os.walk(HERE):
        below[:] = [name for name in below if name != "__pycache__"]
        for file in files:
            path = os.path.relpath(os.path.join(folder, file), HERE).replace(os.sep, "/")
            if path not in named and path != "manifest.json":
                problems.add("file %s is not named in the manifest" % path)


def check_chain(chain, head, problems):
    """Work the links of a chain out; returns the newest digest of each row by table and key, and all links' digests."""
    links = {}
    for of, link, sealed_at, row_count, digest in opened(
        "data/links.csv", "chain", "link", "sealed_at", "row_count", "digest"
    ):
        if of == chain:
            links[int(link)] = {"sealed_at": sealed_at, "row_count": row_count, "digest": digest}
    newest, found, counts = {}, {}, {}
    digests, before = [], ""
    current, running = None, None
    last, of_relation = None, None

    def close():
        if current is not None:
            found[current] = running.hexdigest()

    def begin(link):
        text = "%s\n%d\n%s" % (links[link - 1]["digest"] if link - 1 in links else "", link, links[link]["sealed_at"])
        return hashlib.sha256(text.encode())

    with open(os.path.join(HERE, "record", chain + ".tsv"), "rb") as file:
        for line in file:
            line = line.rstrip(b"\n")
            link, _, relation, key, digest = line.split(b"\t")
            if relation != last:
                last, of_relation = relation, newest.setdefault(relation, {})
            of_relation[unhexlify(key)] = raw(digest)
            if link == b"\\N":
                continue
            link_text, link = link, int(link)
            if link not in links:
                problems.add("chain %s: a row names link %d, which is missing" % (chain, link))
                continue
            if link != current:
                close()
                current, running = link, begin(link)
                counts[link] = 0
            counts[link] += 1
            running.update(b"\n" + line[len(link_text) + 1 :].replace(b"\t", b" "))
    close()
    for place, link in enumerate(sorted(links), 1):
        row = links[link]
        digests.append(row["digest"])
        if link != place:
            problems.add("chain %s: link %d is missing" % (chain, place))
            break
        if counts.get(link, 0) != int(row["row_count"]):
            problems.add(
                "chain %s: link %d sealed %s rows, %d are there" % (chain, link, row["row_count"], counts.get(link, 0))
            )
        elif found.get(link) != row["digest"]:
            problems.add("chain %s: what link %d sealed is not what it was" % (chain, link))
        before = row["digest"]
    if head and head["digest"] != before:
        problems.add("chain %s: its newest link is not the one that the manifest names" % chain)
    return newest, digests


def raw(digest):
    """A digest as bytes, whether it stands there as hex or says that the row was purged."""
    return unhexlify(digest) if len(digest) == 64 else digest


def plain(value):
    """A value of JSON as a cell shows it; lists and objects as Python does, whose order is the one of Postgres."""
    if type(value) is str:
        return same(value)
    if value is None:
        return ""
    if value is True or value is False:
        return "true" if value else "false"
    if isinstance(value, (dict, list)):
        return repr(value)
    return str(value)


def same(cell):
    """A cell in the form of ``plain``."""
    if cell[:2] in JSON:
        try:
            return repr(decoded(cell))
        except ValueError:
            return cell
    return cell


def short(cells):
    """A digest of cells, for comparing."""
    return hashlib.blake2b("\x1f".join(cells).encode(), digest_size=16).digest()


class Part:
    """A table of the package that shows rows of the record."""

    def __init__(self, name, about):
        self.name, self.file, self.recorded = name, about["file"], about["recorded"]
        self.rows = about["rows"]
        with open(os.path.join(HERE, self.file), encoding="utf-8", newline="") as file:
            self.header = next(csv.reader(file))
        self.columns, self.of_body = None, None
        self.expected, self.count = {}, 0

    def take(self, key, starts, ends, body, period):
        """A row of the record: whether it belongs to the period, and what it says."""
        if not starts < period["ends_at"] or (ends and ends < period["starts_at"]):
            return
        self.count += 1
        if not key:
            return
        if body is None:
            self.expected[key] = None
            return
        values = decoded(body.decode())
        if self.columns is None:
            self.columns = [one for one in self.header if one in values]
            # A column more, so that there are several and it gives a tuple.
            self.of_body = itemgetter(self.columns[0], *self.columns)
        values = self.of_body(values)[1:]
        self.expected[key] = short([one if type(one) is str and one[:2] not in JSON else plain(one) for one in values])

    def check(self, people, problems):
        """Compare the table with what the record says."""
        count = 0
        of_key = cells(self.header, self.recorded["key"])
        of_row = cells(self.header, self.columns or self.header)
        for row in opened(self.file):
            count += 1
            if not self.expected:
                continue
            key = "[%s]" % ", ".join([encode_basestring(one) for one in of_key(row)])
            if key not in self.expected:
                problems.add("%s: row %s is not in the record, or twice in the table" % (self.file, key))
                continue
            known = self.expected.pop(key)
            if people and known is not None:
                shown = [one if one[:2] not in JSON else same(one) for one in of_row(row)]
                if known != short(shown):
                    problems.add("%s: row %s does not say what the record says" % (self.file, key))
        for key in self.expected:
            problems.add("%s: row %s is in the record and missing in the table" % (self.file, key))
        if count != self.count or count != self.rows:
            problems.add(
                "%s: it has %d rows, the record %d, the manifest %d" % (self.file, count, self.count, self.rows)
            )


def check_rows(manifest, newest, problems):
    """Every row is as it was recorded, none is missing, and the tables show them."""
    parts = [Part(name, about) for name, about in manifest["parts"].items() if about.get("recorded")]
    by_relation = {part.recorded["relation"].encode(): part for part in parts}
    unseen, last = 0, None
    with open(os.path.join(HERE, "record", "today.tsv"), "rb") as file:
        for line in file:
            chain, relation, key, key_digest, digest, starts, ends, body = line.rstrip(b"\n").split(b"\t")
            if (chain, relation) != last:
                last = chain, relation
                known = newest[chain.decode()].get(relation, {})
                part = by_relation.get(relation)
                if part and chain.decode() not in part.recorded["chains"]:
                    part = None
            if b"\\" in line:
                key, body = key.replace(b"\\\\", b"\\"), body if body == b"\\N" else body.replace(b"\\\\", b"\\")
            key_id, digest = unhexlify(key_digest), raw(digest)
            wrong = []
            if key and hashlib.sha256(key).digest() != key_id:
                wrong.append("its key is not the one that its digest says")
            if body == b"\\N":
                body = None
                unseen += 1
            elif hashlib.sha256(body).digest() != digest:
                wrong.append("what it says has another digest")
            noted = known.pop(key_id, None)
            if noted is None:
                wrong.append("it is there and was never recorded")
            elif noted != digest:
                wrong.append("it is not as it was recorded")
            for what in wrong:
                problems.add("%s %s: %s" % (relation.decode(), key.decode() or key_digest.decode(), what))
            if part:
                ends = "" if ends == b"\\N" else ends.decode()
                part.take(key.decode(), starts.decode(), ends, body, manifest["period"])
    for chain in newest:
        for relation, keys in newest[chain].items():
            for key, digest in keys.items():
                if digest != b"purged":
                    problems.add("%s %s: it was recorded and is gone" % (relation.decode(), key.hex()))
    for part in parts:
        part.check(manifest["people"], problems)
    return unseen


def sizes_in(thresholds, frequency):
    """The table of sizes in a policy: up to how many, how many, which share."""
    if frequency:
        return [[None, thresholds["sample_items_" + frequency], None]]
    found = []
    for line in thresholds["sample_sizes"]:
        most, size = line.split(": ")
        share = int(size[:-2]) if size.endswith(" %") else None
        found.append([None if most == "more" else int(most), int(size) if share is None else 0, share])
    return found


def check_sample(manifest, problems):
    """Draw the sample again, as many as the policy says."""
    about = manifest["samples"]["changes"]
    for version, body in opened("data/policies.csv", "policy_version", "body"):
        if version == about["policy_version"]:
            if about["sizes"] != sizes_in(json.loads(body)["thresholds"], about["frequency"]):
                problems.add("samples: its sizes are not those of the policy %s" % version)
            break
    else:
        if about["policy_version"] is not None:
            problems.add("samples: the policy %s that they are drawn by is not there" % about["policy_version"])
    population = [
        row[1:]
        for row in opened(about["population_file"], "in_scope", "sample_key", "row_digest", "change_key")
        if row[0] == "true"
    ]
    population.sort()
    if about["seed_is_the_populations"]:
        seed = hashlib.sha256("\n".join(digest for _, digest, _ in population).encode()).hexdigest()
        if seed != about["seed"]:
            problems.add("samples: the seed is not the digest of the population")
    if len(population) != about["population"]:
        problems.add(
            "samples: the population has %d changes, the manifest says %d" % (len(population), about["population"])
        )
    size = next((least, share) for most, least, share in about["sizes"] if most is None or len(population) <= most)
    size = min(len(population), size[0] if size[1] is None else -(-len(population) * size[1] // 100))
    drawn = sorted(
        (hashlib.sha256(("%s:%s" % (about["seed"], key)).encode()).hexdigest(), key, change)
        for key, _, change in population
    )[:size]
    shown = list(opened(about["file"], "draw_digest", "sample_key", "change_key"))
    if shown != drawn:
        wrong = [key for _, key, _ in shown if key not in {key for _, key, _ in drawn}]
        problems.add(
            "samples: what the seed draws is another sample" + (", %s is not among it" % wrong[0] if wrong else "")
        )


def instant(text):
    """A time in ISO 8601 as one that can be compared; None where it is none."""
    found = re.match(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:\.(\d{1,6})\d*)?(Z|[+-]\d\d:?\d\d)$", text or "")
    if not found:
        return None
    day, time, part, zone = found.groups()
    zone = "+00:00" if zone == "Z" else zone[:3] + ":" + zone[-2:]
    return datetime.fromisoformat("%sT%s.%s%s" % (day, time, (part or "").ljust(6, "0"), zone))


def approvals_of(activity, peers):
    """What the activity of a pull request says of approvals by these persons and of its last change before the merge.

    "no": somebody approved what was merged. "yes": all that approved did so before it was changed last. "not approved":
    nobody of these did. "not known" where the activity does not tell, and why.
    """
    answer = {"approved_before_last_change": "not known", "not_known_because": None}
    updates = [one["update"] for one in activity["values"] if instant((one.get("update") or {}).get("date"))]
    merges = [one for one in updates if one.get("state") == "MERGED"]
    if not merges:
        answer["not_known_because"] = "its activity does not say when it was merged"
        return answer
    merge = max(merges, key=date_of)
    answer["merged_at"], answer["merge_made_by"] = merge["date"], uuid_of(merge.get("author"))
    given = [one["approval"] for one in activity["values"] if instant((one.get("approval") or {}).get("date"))]
    given = [one for one in given if date_of(one) <= date_of(merge)]
    nameless = [one for one in given if uuid_of(one.get("user")) is None]
    given = [one for one in given if uuid_of(one.get("user")) in peers]
    if given:
        answer["approved_at"] = max(given, key=date_of)["date"]
        answer["approvers"] = sorted({uuid_of(one["user"]) for one in given})
    before = [one for one in updates if one is not merge and date_of(one) <= date_of(merge)]
    change, is_last = last_change(merge, before, activity["is_whole"])
    if is_last:
        later = {uuid_of(one["user"]) for one in given if date_of(one) > date_of(change)}
        answer["changed_last_at"], answer["changed_last_by"] = change["date"], uuid_of(change.get("author"))
        answer["approvals_after_last_change"] = len(later)
    compared = compare(change, is_last, given, nameless, activity["is_whole"])
    answer["approved_before_last_change"], answer["not_known_because"] = compared
    return answer


def last_change(merge, before, is_whole):
    """The update that brought what was merged, and whether it is surely that one and no older one.

    A change is an update by which the source has another commit than before: when a title is put right it stays.
    """
    before = sorted(before, key=date_of, reverse=True)
    commits = [commit_of(one) for one in before]
    merged = commit_of(merge) or (commits[0] if commits else None)
    same = 0
    while same < len(before) and merged is not None and commits[same] == merged:
        same += 1
    if not same:
        return (before[0] if before else None), False
    return before[same - 1], commits[same] is not None if same < len(before) else is_whole


def compare(change, is_last, given, nameless, is_whole):
    """Whether all approvals came before the last change, and why that is not known."""
    if change is None and is_whole:
        return "not known", "its activity does not say when it was changed"
    # What was read holds the newest: whatever it holds is newer than a change that it does not hold.
    if any(change is None or date_of(one) > date_of(change) for one in given):
        return "no", None
    if not is_last:
        return "not known", "its activity does not say which update changed it last"
    if any(date_of(one) > date_of(change) for one in nameless):
        return "not known", "an account that approved after the last change was deleted"
    if given:
        return "yes", None
    if nameless or not is_whole:
        return "not known", "its activity does not name all that approved it, or is longer than what was read"
    return "not approved", None


def date_of(entry):
    """When an update or an approval was made."""
    return instant(entry["date"])


def uuid_of(account):
    """Of an account, in lower case."""
    found = (account or {}).get("uuid")
    return found.lower() if found else None


def commit_of(update):
    """The commit that an update left its source with."""
    return ((update.get("source") or {}).get("commit") or {}).get("hash")


def check_reads(manifest, problems):
    """What was read of sampled pull requests says what the sample says of it."""
    reads = manifest["samples"]["changes"]["reads"]
    compared = "approved_before_last_change", "approvals_after_last_change", "changed_last_by", "merge_made_by"
    times = "approved_at", "changed_last_at", "merged_at"
    columns = ("kind", "place", "sample_key", "statuses", *compared, *times)
    for cells_of_row in opened(manifest["samples"]["changes"]["file"], *columns):
        row = dict(zip(columns, cells_of_row))
        found = {"approved_before_last_change": "not known" if row["kind"] == "pull_request" else ""}
        statuses = None
        if row["place"] in reads:
            with open(os.path.join(HERE, reads[row["place"]]), encoding="utf-8") as file:
                body = json.load(file)
            if body["activity"] is not None and body["peers"] is not None:
                found = approvals_of(body["activity"], set(body["peers"]))
            statuses = None if body["statuses"] is None else body["statuses"]["values"]
        for name in compared:
            if row[name] != plain(found.get(name)):
                problems.add("samples: %s of %s is not what its activity says" % (name, row["sample_key"]))
        for name in times:
            if instant(row[name]) != instant(found.get(name)):
                problems.add("samples: %s of %s is not what its activity says" % (name, row["sample_key"]))
        if same(row["statuses"]) != plain(statuses):
            problems.add("samples: the builds of %s are not those that were read" % row["sample_key"])


def check_evidence(manifest, problems):
    """Each file of evidence is the one that was handed in."""
    if not manifest["people"]:
        return
    for evidence_id, file_sha256 in opened("data/evidence.csv", "evidence_id", "file_sha256"):
        path = manifest["evidence"].get(evidence_id)
        if path is None:
            continue
        with open(os.path.join(HERE, path), "rb") as file:
            if hashlib.sha256(file.read()).hexdigest() != file_sha256:
                problems.add("evidence %s: its file is not the one that was handed in" % evidence_id)


def main(arguments):
    """The exit code."""
    wanted = arguments[1].lower() if len(arguments) == 2 and arguments[0] == "--head" else None
    if arguments and wanted is None:
        print(__doc__)
        return 2
    problems = Problems()
    with open(os.path.join(HERE, "manifest.json"), "rb") as file:
        content = file.read()
    manifest = json.loads(content)
    if manifest["format"] != 1:
        print("this verify.py reads packages of format 1, and this one is of another")
        return 2
    unseen, digests = 0, []
    try:
        check_files(manifest, problems)
        newest = {}
        for chain in ("workspace", "shared"):
            newest[chain], links = check_chain(chain, manifest["chains"].get(chain), problems)
            digests += links
        unseen = check_rows(manifest, newest, problems)
        check_sample(manifest, problems)
        check_reads(manifest, problems)
        check_evidence(manifest, problems)
    except (OSError, ValueError, KeyError, StopIteration) as error:
        problems.add("the package can't be read (%s: %s)" % (type(error).__name__, error))
    for text in manifest["problems"]:
        problems.add(text)
    if wanted and wanted not in digests:
        problems.add("%s stands in no chain: the record was written anew, or it was noted of another database" % wanted)
    print("manifest.json: sha256 %s" % hashlib.sha256(content).hexdigest())
    for chain, head in manifest["chains"].items():
        print("chain %s: link %d, sha256 %s" % (chain, head["link"], head["digest"]))
    if unseen:
        print("of %d rows the package holds the digest alone, as the database worked it out" % unseen)
    if problems.count:
        print("%d thing%s not fit" % (problems.count, " does" if problems.count == 1 else "s do"))
        return 1
    print("all fits")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
