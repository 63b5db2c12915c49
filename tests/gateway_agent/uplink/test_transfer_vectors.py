"""The datagrams that protocols/spec/transfer.md shows, as both sides make them."""

import json
from pathlib import Path

import apsw
import cbor2
from aiocoap import Message  # type: ignore[import-untyped]
from aiocoap.numbers.types import Type  # type: ignore[import-untyped]

from gateway_agent.uplink.coap_message import Reply, Request
from gateway_agent.uplink.coap_options import from_reply, from_request
from gateway_agent.uplink.transfer_download import Download
from gateway_agent.uplink.transfer_folder import TransferFolder
from gateway_agent.uplink.transfer_format import CONFIGURATION, LEDGER, SMALLEST_EXPONENT, Offer, digest_of
from gateway_agent.uplink.transfer_upload import Progress, Upload
from hardware.rig.platform_files import TABLES, PlatformFiles

ROOT = Path(__file__).parents[3]
VECTORS = json.loads((ROOT / "protocols/vectors/transfer.json").read_text())
SPEC = (ROOT / "protocols/spec/transfer.md").read_text()
GATEWAY = VECTORS["gateway"]
LEDGER_BYTES = bytes.fromhex(VECTORS["ledger"])
CONFIGURATION_BYTES = VECTORS["configuration"].encode()
WHO = (f"g={GATEWAY}",)


class Line:
    """Both sides without a radio between; `heard` are the datagrams in their order, with message ids from one on."""

    def __init__(self, message_id: int) -> None:
        connection = apsw.Connection(":memory:")
        connection.execute(TABLES)
        self.files = PlatformFiles(connection)
        self.heard: list[str] = []
        self._message_id = message_id

    def ask(self, request: Request) -> Reply:
        handle = self.files.handle_upload if request.path[0] == "u" else self.files.handle_download
        reply = handle(GATEWAY, request)
        self.heard += [self._datagram(from_request(request), Type.CON), self._datagram(from_reply(reply), Type.ACK)]
        self._message_id += 1
        return reply

    def _datagram(self, message: Message, type_: Type) -> str:
        message.mtype, message.mid, message.token = type_, self._message_id, bytes([self._message_id & 0xFF])
        return bytes(message.encode()).hex(" ")


UP, DOWN = VECTORS["messages"][:6], VECTORS["messages"][6:]


def bytes_of(messages: list[dict[str, str]]) -> list[str]:
    return [message["hex"] for message in messages]


def test_a_ledger_goes_up_as_the_page_shows_it() -> None:
    line = Line(0x5201)
    upload = Upload(LEDGER, digest_of(LEDGER_BYTES), LEDGER_BYTES, WHO, is_new=False)
    progress = Progress.GOES_ON
    for _ in range(8):
        progress = upload.take(line.ask(upload.request(SMALLEST_EXPONENT)))
        if progress is Progress.DONE:
            break
    assert progress is Progress.DONE
    assert line.heard == bytes_of(UP)
    assert line.files.whole(GATEWAY, LEDGER) == LEDGER_BYTES


def test_a_configuration_comes_down_as_the_page_shows_it(tmp_path: Path) -> None:
    line = Line(0x5204)
    digest = line.files.offer(GATEWAY, CONFIGURATION, CONFIGURATION_BYTES)
    folder = TransferFolder(tmp_path)
    part = folder.begin_part(Offer(CONFIGURATION, digest, len(CONFIGURATION_BYTES)))
    download = Download(part, WHO)
    for _ in range(8):
        if download.take(line.ask(download.request(SMALLEST_EXPONENT))) is Progress.DONE:
            break
    assert folder.finish_part(part) == CONFIGURATION_BYTES
    line.ask(Request("DELETE", ("d", CONFIGURATION), (f"d={digest.hex()}", "r=taken", *WHO)))
    assert line.heard == bytes_of(DOWN)
    assert line.files.state(GATEWAY, CONFIGURATION) == "taken"


def test_the_ledger_is_what_the_page_says() -> None:
    version, gateway, place, nodes, devices = cbor2.loads(LEDGER_BYTES)
    assert (version, gateway, place) == (1, GATEWAY, ["48.1372", "11.5755"])
    assert nodes == [["lamp_node", "esp32-devkitc", "pole", 16]]
    assert [sorted(device) for device in devices] == [[1, 2, 3, 4, 5, 6, 7]]


def test_the_page_shows_each_datagram_with_its_size() -> None:
    for message in VECTORS["messages"]:
        assert f"**{message['name']}.** {len(bytes.fromhex(message['hex']))} bytes." in SPEC
        block = SPEC.split(f"**{message['name']}.**")[1].split("\n\n")[1]
        shown = " ".join(line.strip().split("  ")[0] for line in block.splitlines())
        assert shown == message["hex"]
