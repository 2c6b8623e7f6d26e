"""Runs cases of the Autobahn test suite; tells how each one went as one line of JSON. Python 2.7.

    python suite.py PLAN.json

The plan is an object:

    role      "client": the suite dials `url` and judges a server
              "server": the suite listens at `url` and judges clients, until it is killed
    url       ws://127.0.0.1:PORT/...
    agent     what is judged, a name
    cases     patterns of case numbers
    reports   a folder for the suite's own pages
    log       a file for what the suite says meanwhile
    gateway   only with role "client", when the server is no echo but answers each text with one JSON message:
        login      the first text of every connection, which no case knows of
        admitted   what the answer to it contains
        limit      bytes that a message may have
        messages   messages a case may send, where the suite would send more of the same

How a gateway is judged: its answer stands for the echo of the text it answers, so that the suite's own rules apply to
everything else. Where a case needs the echo of a binary message the gateway has to close with 1003, and where a message
is over the limit with 1009, both with a complete closing handshake. Nothing else is forgiven.
"""

import json
import sys
from collections import deque

from autobahntestsuite import choosereactor  # noqa: F401, installs the reactor and so has to come first
from autobahntestsuite import fuzzing
from autobahntestsuite.case import Cases
from autobahntestsuite.case.case import Case
from twisted.internet import reactor
from twisted.python import log

LOGIN_SECONDS = 5
TEXT, BINARY = 1, 2

told = sys.stdout


def tell(line):
    told.write(json.dumps(line) + "\n")
    told.flush()


def plain(value):
    """The suite wants byte strings where JSON gives unicode."""
    if isinstance(value, dict):
        return dict((plain(key), plain(one)) for key, one in value.items())
    if isinstance(value, list):
        return [plain(one) for one in value]
    return value.encode("utf8") if isinstance(value, unicode) else value  # noqa: F821


def tell_results(factory):
    remember, factory.refused = factory.logCase, None

    def remember_and_tell(result):
        remember(result)
        tell({
            "case": result["id"],
            "behavior": result["behavior"],
            "close": result["behaviorClose"],
            "told": [result["result"], result["resultClose"]],
            "refused": factory.refused,
        })

    factory.logCase = remember_and_tell


def is_json(message):
    try:
        json.loads(message.decode("utf8"))
        return True
    except ValueError:
        return False


SuiteProtocol = fuzzing.FuzzingClientProtocol


class GatewayProtocol(SuiteProtocol):
    """Logs in before the case begins, and hands it each answer as the echo of what was answered."""

    manners = None

    def onOpen(self):
        self.connectionWasOpen = True
        self.begun = False
        self.unfinished = None
        self.unanswered = deque()
        self.sent_binary = False
        self.longest = 0
        self.wrong = None
        self.judge_like_the_suite = self.runCase.onConnectionLost
        self.runCase.onConnectionLost = self.judge
        self.sendMessage(self.manners["login"])
        reactor.callLater(LOGIN_SECONDS, self.give_up)

    def begin(self):
        self.begun = True
        # Some cases count frames; the login's do not belong to them.
        self.rxFrameStats, self.txFrameStats, self.rxOctetStats, self.txOctetStats = {}, {}, {}, {}
        SuiteProtocol.onOpen(self)

    def give_up(self):
        if not self.begun and self.state == self.STATE_OPEN:
            self.failConnection()

    def sendFrame(self, opcode, payload="", fin=True, rsv=0, mask=None, payload_len=None, chopsize=None, sync=False):
        if self.begun:
            self.note(opcode, payload, fin, payload_len)
        SuiteProtocol.sendFrame(self, opcode, payload, fin, rsv, mask, payload_len, chopsize, sync)

    def note(self, opcode, payload, fin, length):
        """Remembers the messages that wait for an answer."""
        if length is not None:
            payload = (payload * (length // len(payload) + 1))[:length]
        if opcode == BINARY:
            self.sent_binary = True
        if opcode in (TEXT, BINARY):
            self.unfinished, self.length = (opcode, []), 0
        elif opcode != 0 or self.unfinished is None:
            return
        kind, pieces = self.unfinished
        pieces.append(payload)
        self.length += len(payload)
        self.longest = max(self.longest, self.length)
        if fin:
            self.unfinished = None
            if kind == TEXT:
                self.unanswered.append("".join(pieces))

    def onMessage(self, message, binary):
        if not self.begun:
            if self.manners["admitted"] in message:
                self.begin()
            return
        if binary or not is_json(message):
            self.wrong = "an answer is no JSON text: %r" % message[:80]
        elif not self.unanswered:
            self.wrong = "a message that answers nothing: %r" % message[:80]
        elif len(self.unanswered[0]) > self.manners["limit"]:
            self.wrong = "a message over the limit was answered: %r" % message[:80]
        else:
            message = self.unanswered.popleft()
        SuiteProtocol.onMessage(self, message, binary)

    def judge(self, failed_by_me):
        case, self.factory.refused = self.runCase, None
        if not self.begun:
            case.expectedClose = {"closedByMe": True, "closeCode": [], "requireClean": True}
        self.judge_like_the_suite(failed_by_me)
        if not self.begun:
            self.wrong = "the login was not answered"
        if self.wrong is not None:
            case.behavior, case.result = Case.FAILED, self.wrong
            return
        if case.behavior != Case.FAILED:
            return
        refused = self.wasClean and not self.closedByMe
        if self.sent_binary and refused and self.remoteCloseCode == 1003:
            self.grant()
        elif self.longest > self.manners["limit"] and refused and self.remoteCloseCode == 1009:
            self.grant()

    def grant(self):
        self.factory.refused = self.remoteCloseCode
        self.runCase.behavior = self.runCase.behaviorClose = Case.OK
        self.runCase.result = self.runCase.resultClose = "refused with %d, as it should be" % self.remoteCloseCode


def judge_servers(plan):
    manners = plan.get("gateway")
    if manners:
        GatewayProtocol.manners = manners
        fuzzing.FuzzingClientProtocol = GatewayProtocol
        for case in Cases:
            if getattr(case, "COUNT", 0) > manners["messages"]:
                case.COUNT = manners["messages"]
    # Made without its constructor's last step, which dials before anybody could listen to its results.
    dial, fuzzing.connectWS = fuzzing.connectWS, lambda *ignored, **also: None
    factory = fuzzing.FuzzingClientFactory({
        "outdir": plan["reports"],
        "servers": [{"agent": plan["agent"], "url": plan["url"]}],
        "cases": plan["cases"],
    })
    tell({"cases": len(factory.specCases)})
    tell_results(factory)
    dial(factory)


def judge_clients(plan):
    factory = fuzzing.FuzzingServerFactory({"outdir": plan["reports"], "url": plan["url"], "cases": plan["cases"]})
    tell_results(factory)
    reactor.listenTCP(factory.port, factory, interface="127.0.0.1")
    tell({"cases": len(factory.specCases)})


def main():
    with open(sys.argv[1]) as file:
        plan = plain(json.load(file))
    log.startLogging(open(plan["log"], "w"))
    {"client": judge_servers, "server": judge_clients}[plan["role"]](plan)
    reactor.run()


if __name__ == "__main__":
    main()
