"""What a datagram has beside its payload, at the worst: so much shorter are messages where a modem takes little."""

from typing import Any

import pytest
from aiocoap.numbers.types import CON, NON  # type: ignore[import-untyped]

from gateway_agent.bearers.modem_way import BESIDE_PAYLOAD_BYTES
from gateway_agent.journal.memory_store import MemoryStore
from gateway_agent.modem.dialect import load_modem, modem_names
from gateway_agent.uplink.coap_message import COMPACT, SENML_CBOR, Block, Request
from gateway_agent.uplink.coap_options import NO_SUCCESS, from_request
from gateway_agent.uplink.edhoc import Initiator, Responder, StaticKey
from gateway_agent.uplink.forms import SENML_PATH
from gateway_agent.uplink.key_ring import AgreedContext
from gateway_agent.uplink.oscore_context import ID_BYTES, OscoreKeys
from gateway_agent.uplink.transfer_block_size import BlockSize
from gateway_agent.uplink.transfer_format import block_bytes
from hardware.rig.clock import RigClock, run_virtual

ECHO_BYTES = 40  # RFC 9175, 2.2.1
LAST_NUMBER = (1 << 40) - 1  # RFC 8613, 7.2.1


class WornOut(AgreedContext):
    """A context whose numbers are as long as they become."""

    def new_sequence_number(self) -> int:
        return LAST_NUMBER


def message_3() -> bytes:
    gateway, platform = StaticKey.generate(), StaticKey.generate()
    responder = Responder("city", platform, b"\xca" * ID_BYTES)
    initiator = Initiator("gp-1", gateway, "city", platform.public)
    return initiator.finish(responder.message_2(initiator.message_1())).message_3


def longest(request: Request, *, is_confirmable: bool) -> int:
    """Bytes of a request that has everything that a request may have."""
    message = from_request(request)
    message.opt.echo = bytes(ECHO_BYTES)
    if not is_confirmable:
        message.opt.no_response = NO_SUCCESS

    async def main(_clock: RigClock) -> Any:
        keys = OscoreKeys(bytes(16), b"\x01" * ID_BYTES, b"\x02" * ID_BYTES)
        context = await WornOut.begin(MemoryStore(), "worn out", keys)
        await context.prepare()
        context.message_3 = message_3()
        return context.protect(message)[0]

    outer = run_virtual(main)
    outer.mtype, outer.mid, outer.token = (CON if is_confirmable else NON), 1, b"\x00"
    return len(outer.encode())


PAYLOAD = bytes(376)
LATE_SENML = Request("POST", SENML_PATH, ("e=4294967295", "b=1"), PAYLOAD, SENML_CBOR)
BATCH = Request("POST", (), (), PAYLOAD, COMPACT)


@pytest.mark.parametrize("is_confirmable", [True, False])
@pytest.mark.parametrize("request_", [LATE_SENML, BATCH], ids=["senml", "compact"])
def test_no_batch_has_more_beside_its_payload_than_is_left_for_it(request_: Request, is_confirmable: bool) -> None:
    beside = longest(request_, is_confirmable=is_confirmable) - len(PAYLOAD)
    assert beside <= BESIDE_PAYLOAD_BYTES


@pytest.mark.parametrize("model", modem_names())
def test_blocks_of_files_fit_every_modem(model: str) -> None:
    limit = load_modem(model).socket.limit_bytes
    size = BlockSize()
    size.fit(limit - BESIDE_PAYLOAD_BYTES)
    block = Block((1 << 20) - 1, True, size.exponent)
    query = ("h=" + "0" * 16, "n=4294967295")
    put = Request("PUT", ("up", "configuration"), query, bytes(block_bytes(size.exponent)), block1=block)
    assert longest(put, is_confirmable=True) <= limit
