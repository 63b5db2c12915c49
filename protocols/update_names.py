"""Names and sentences of the numbers in update_codes, for whoever shows them; a node does not load this."""

STATES = ("idle", "preparing", "receiving", "verifying", "ready", "trial", "kept", "refused", "went-back")
"""Name of each state, by number."""

REASONS = {
    0: "",
    1: "the bundle is larger than a node takes; leave out what the node does not need",
    2: "the manifest is damaged or no manifest; build the bundle again",
    3: "the manifest is not signed with the key that this node trusts; sign with the key the node was provisioned with",
    4: "the node was provisioned without an update key; give it one over USB",
    5: "the bundle was built for another board; take the bundle of this node's board",
    6: "the bundle is bytecode of another version than the node reads; compile with the fitting mpy-cross",
    7: "the version is older than the lowest one that this node may still run",
    8: "a file's name is not a module in one of the two folders of a slot",
    9: "the bundle has no file, or more files than a node takes",
    10: "the bundle's length is not what its manifest adds up to; it is cut off or has something appended",
    11: "a file is not what the manifest says; send the bundle again",
    12: "the node's flash could not be read or written; the flash may be full or worn",
    13: "no block came for a long time; send again, the node goes on where it was",
    14: "the gateway ended the transfer; send again, the node goes on where it was",
    15: "the node had not enough memory for the update; restart it and send again",
    16: "the node's flash has too little room for the files; leave out what the node does not need",
    20: "nobody read the node over the pole bus while the new version was on trial",
    21: "a device that answered before the update did not answer the new version",
    22: "the node was switched off or restarted while the new version was on trial; it may be tried again",
    23: "the new version ended by an error or was ended by the watchdog",
    24: "the new version could not be loaded",
}
"""What each reason means and what to do next, by number."""
