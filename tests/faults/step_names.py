"""Which steps of the sequencer and the signer can go wrong, and in which ways?"""

from __future__ import annotations

KINDS = ("fails, not done", "fails, but done", "dies before", "dies after")
STATEMENTS = {
    "sequencer": {
        "asks whether it may work": r"pg_try_advisory_lock",
        "locks the tree": r"portal_tree.*FOR UPDATE",
        "takes what waits": r"WITH waiting",
        "asks for the lanes": r"SELECT id FROM portal_auditevent",
        "reads the counters": r"SELECT .*portal_head",
        "writes the counters": r"INSERT INTO portal_head",
        "writes the leaves": r"INSERT INTO portal_leaf",
        "reads tiles": r"SELECT .*portal_tile",
        "writes tiles": r"INSERT INTO portal_tile",
        "says how far it is": r"UPDATE .*portal_tree",
    },
    "signer": {
        "asks how far the tree is": r"SELECT .*portal_tree",
        "looks for a checkpoint": r"SELECT .*portal_checkpoint",
        "reads tiles": r"SELECT .*portal_tile",
        "writes the checkpoint": r"INSERT INTO .*portal_checkpoint",
    },
}
FILES = ("key", "log.vkey", "signed.json")
ON_FILES = ("opens", "writes", "syncs", "renames", "syncs the folder of")
STEPS = (
    *(f"sequencer {what}" for what in STATEMENTS["sequencer"]),
    "sequencer commits",
    *(f"signer {what}" for what in STATEMENTS["signer"]),
    "signer locks its folder",
    "signer reads key",
    "signer reads signed.json",
    *(f"signer {what} {name}" for name in FILES for what in ON_FILES),
)
AT_START = tuple(step for step in STEPS if step.endswith((" key", " log.vkey", "locks its folder")))
