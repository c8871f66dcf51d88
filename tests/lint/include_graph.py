#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-2-Clause
"""
usage: include_graph.py SOURCE

Draws the include graph of the rooms and fails, as TAP, on a cycle or an
upward edge.  A module is a .c and a .h of one name.
"""

import os
import re
import sys

ROOMS = ("common", "milter-smime", "policyd-auth", "tlsa-resolver",
         "crl-fetcher")

# Rooms from top to bottom (doc/ARCHITECTURE.md): a module includes only
# what stands below it.  Those on one line do not know each other.
ORDER = {"milter-smime": """
postseal-smime postseal-quarantine main
command_test command_key command_profile command_check
quarantine_list quarantine_show quarantine_order quarantine_status
command check_postfix quarantine_command
callbacks listener
pipeline
compose
reinject writeback
report
outcome
harvest
layers
gateway
filtering
facts notice
plan
certs
filter_eval
filter_actions
filter_rules
filter_state
filters
filter_parse
filter_lex
filter_set
filter_text
regex
smime_sign smime_encrypt smime_verify smime_decrypt
cms_armour
trust
revocation
keyring
smime_kind
held
postcat postfix_queue
header_facts queue_entry
mail_text
mail_parts
mail_leaf
protected_headers
entity header_policy
header_text html_text
header_parameter html_entity visible_text
header_line
transfer charset
mime text_writer fields
message pieces quoted_printable
spool
auth_results
verdict smime_settings base64 cms_walk text_scan area
quarantine lines
""", "crl-fetcher": """
postseal-crl main
command_crl command_tls
check_tls
tls_prove tls_live
tls_module
start
tls_config
tls_check
tls_spool tls_section
tls_directory
tls_log
round
refresh
hooks download bundles
sources listing
issuers crl_settings
condition
state due
publish
fetch_ldap
crl_check
crl_signature
crl_walk crl_pem index_build
"""}


class Graph:
    def __init__(self, source):
        self.edges = {}  # module -> {module: "file:line"}
        self.wrong = []  # includes that no rule allows
        for room in ROOMS:
            directory = os.path.join(source, room)
            if os.path.isdir(directory):
                for name in sorted(os.listdir(directory)):
                    if name.endswith((".c", ".h")):
                        self._read(source, room, name)

    def _read(self, source, room, name):
        module = f"{room}/{name[:-2]}"
        self.edges.setdefault(module, {})
        with open(os.path.join(source, room, name)) as file:
            for number, line in enumerate(file, 1):
                found = re.match(r'\s*#\s*include\s+"(.*)"', line)
                if found and found[1] != "config.h":
                    self._edge(source, room, module, found[1],
                               f"{room}/{name}:{number}")

    def _edge(self, source, room, module, target, where):
        path = target
        if "/" not in target:
            path = f"{room}/{target}"
        if "/" not in target and room == "common":
            self.wrong.append(f'{where}: write "common/{target}"')
        elif "/" in target and target.partition("/")[0] != "common":
            self.wrong.append(f"{where}: {target} is another room's, or "
                              "ours and needs no directory")
        elif not os.path.isfile(os.path.join(source, path)):
            self.wrong.append(f"{where}: there is no {path}")
        else:
            to = path.rpartition(".")[0]
            if to != module:
                self.edges[module].setdefault(to, where)

    def cycle(self):
        """One cycle as a list of modules, or None."""
        done, stack = set(), []

        def visit(module):
            if module in stack:
                return stack[stack.index(module):] + [module]
            if module in done:
                return None
            done.add(module)
            stack.append(module)
            for to in self.edges.get(module, {}):
                found = visit(to)
                if found:
                    return found
            stack.pop()
            return None

        return next(filter(None, map(visit, self.edges)), None)

    def upward(self):
        """Edges against ORDER."""
        level = {f"{room}/{name}": number
                 for room, order in ORDER.items()
                 for number, line in enumerate(order.split("\n"))
                 for name in line.split()}
        for module, edges in self.edges.items():
            for to, where in edges.items():
                if module in level and to in level and \
                        level[to] <= level[module]:
                    yield f"{where}: {to} does not stand below {module}"

    def unknown(self):
        """Modules of an ordered room that ORDER gives no place."""
        known = {f"{room}/{name}" for room, order in ORDER.items()
                 for name in order.split()}
        return [module for module in self.edges
                if module.partition("/")[0] in ORDER
                and module not in known]


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    graph = Graph(sys.argv[1])
    cycle = graph.cycle()
    results = (
        ("rooms include themselves and common/, common/ only itself",
         graph.wrong),
        ("no module includes itself through others",
         [" -> ".join(cycle)] if cycle else []),
        ("in a room the include path leads downward",
         list(graph.upward())),
        ("there are modules to look at", [] if graph.edges else ["none"]),
    )
    for number, (name, faults) in enumerate(results, 1):
        print(f"{'not ' if faults else ''}ok {number} - {name}")
        for fault in faults:
            print(f"# {fault}")
    for module in graph.unknown():
        print(f"# no place in ORDER yet: {module}")
    print(f"1..{len(results)}")
    sys.exit(any(faults for _, faults in results))


if __name__ == "__main__":
    main()
