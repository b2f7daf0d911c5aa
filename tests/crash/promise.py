# SPDX-License-Identifier: Apache-2.0
"""What a writer was promised, and whether what is there keeps it. Lines as in crash_kv.c and crash_blob.c."""


class KvPromise:
    def __init__(self):
        self.clock = 0
        self.operations = {}  # number -> {"verb", "keys", "begun", "acked", "revisions", "failed"}
        self.by_key = {}
        self.unexpected = []

    def line(self, text):
        self.clock += 1
        kind, number, *rest = text.split()
        if kind == "B":
            self.operations[int(number)] = {
                "verb": rest[0], "keys": rest[1:], "begun": self.clock, "acked": None, "failed": False, "revisions": {},
            }
            for key in rest[1:]:
                self.by_key.setdefault(key, []).append(int(number))
            return
        operation = self.operations[int(number)]
        if kind == "A":
            operation["acked"] = self.clock
            operation["revisions"] = dict(zip(operation["keys"], map(int, rest)))
        elif kind == "F":
            operation["failed"] = True
        else:
            self.unexpected.append(text)

    def acked(self):
        return sum(1 for operation in self.operations.values() if operation["acked"])

    def faults(self, lines):
        seen, last = {}, {}
        for text in lines:
            kind, name, *rest = text.split()
            if kind == "V":
                seen[name] = (int(rest[0]), int(rest[1]))
            elif kind == "R":
                last[name] = int(rest[0])
            else:
                yield text
        for key in set(self.by_key) | set(seen):
            if not key.endswith("/after"):
                yield from self.key_faults(key, seen.get(key))
        for bucket, revision in last.items():
            for number, operation in self.operations.items():
                for key, promised in operation["revisions"].items():
                    if key.startswith(bucket + "/") and promised >= revision:
                        yield f"revision {promised} of operation {number} on {key} is given out again as {revision}"
        yield from self.batch_faults(seen)

    def key_faults(self, key, shown):
        numbers = self.by_key.get(key, [])
        if shown is not None:
            revision, number = shown
            operation = self.operations.get(number)
            if operation is None or key not in operation["keys"] or operation["failed"]:
                yield f"{key} holds what operation {number} never put there"
                return
            if operation["acked"] and operation["revisions"][key] != revision:
                yield f"{key} has revision {revision}, operation {number} was told {operation['revisions'][key]}"
            candidates = [operation]
        else:
            candidates = [o for o in map(self.operations.get, numbers) if o["verb"] == "delete" and not o["failed"]]
        for number in numbers:
            later = self.operations[number]
            if later["acked"] and not any(self.may_follow(c, later, key) for c in candidates):
                yield f"{key}: operation {number} ({later['verb']}) was acknowledged and is lost (there is {shown})"
                return

    @staticmethod
    def may_follow(candidate, later, key):
        """Whether `candidate` can be what is left after `later` was acknowledged."""
        if candidate is later:
            return True
        mine, theirs = candidate["revisions"].get(key), later["revisions"].get(key)
        if mine and theirs:
            return mine >= theirs
        return candidate["acked"] is None or candidate["acked"] > later["begun"]

    def batch_faults(self, seen):
        """A batch is there as a whole or not at all: a key of it that shows something surely older was left out."""
        for number, operation in self.operations.items():
            if len(operation["keys"]) < 2 or not any(seen.get(k, (0, None))[1] == number for k in operation["keys"]):
                continue
            for key in operation["keys"]:
                shown = self.operations.get(seen[key][1]) if key in seen else None
                older = shown is not None and shown["acked"] and shown["acked"] < operation["begun"]
                never = shown is None and not any(self.operations[n]["verb"] == "delete" for n in self.by_key[key])
                if older or never:
                    yield f"batch {number} is there, but not in {key}"


class BlobPromise:
    def __init__(self):
        self.hashes, self.kept, self.unexpected = {}, set(), []

    def line(self, text):
        kind, number, *rest = text.split()
        if kind == "B":
            self.hashes[number] = rest[0]
        elif kind == "A":
            self.kept.add(self.hashes[number])
        else:
            self.unexpected.append(text)

    def acked(self):
        return len(self.kept)

    def faults(self, lines):
        seen = set()
        for text in lines:
            kind, name, *rest = text.split()
            if kind == "V":
                seen.add(name)
            elif name in self.kept:
                yield text
            # A damaged blob that nobody was promised is named when it is read and harms nobody.
        for name in self.kept - seen:
            yield f"blob {name} was committed and is lost"
        for name in seen - set(self.hashes.values()):
            yield f"blob {name} was never written"
