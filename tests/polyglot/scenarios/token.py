"""A token file is read again for each call, and its content never goes over a network in the clear."""

from ..delivery import check
from ..log import held
from ..waiting import expect
from ..webhooks import send, small

# Letters whose Huffman codes in HPACK are whole bytes, behind "Bearer " whose codes are five bytes together. So a token
# of them can be found in what a client says, whether it encodes its headers or not.
HUFFMAN = {"X": 0xFC, "Z": 0xFD}


def read_again(stage):
    relay = stage.relay().start()
    send(relay, [small(number) for number in range(5)])

    def connect(name):
        token_file = stage.directory / f"{name}.token"
        token_file.write_text("XZXXZZZXZXZX\n")
        proxy = stage.proxy(relay.grpc)
        client = stage.start(name, target=proxy.address, start="earliest", token_file=token_file, consumer="")
        client.until_events(5)
        _expect_token(proxy, "XZXXZZZXZXZX")
        token_file.write_text("  ZZXZXXXXZXXZ\n")
        proxy.reset()
        client.until_connected(2)
        _expect_token(proxy, "ZZXZXXXXZXXZ")
        client.stop()
        check(held(relay), client)

        # Nothing listens on this address, which is for documentation; it is not even tried.
        client = stage.start(name, target="192.0.2.1:50051", token_file=token_file)
        code = client.until_exit(20)
        expect(code in (1, 2), f"an error was expected for a token in the clear; it ended with {code}")
        expect(not client.said("lost"), f"it tried to send a token in the clear: {client.said('lost')}")

        # Over a socket, it may be sent.
        client = stage.start(
            name, target=f"unix:{relay.socket}", start="earliest", token_file=token_file, stop_when_caught_up=True
        )
        client.until_end("caught_up")
        check(held(relay), client)

    stage.each(connect)


def _expect_token(proxy, token):
    said = proxy.said()
    encoded = bytes(HUFFMAN[letter] for letter in token)
    expect(token.encode() in said or encoded in said, "the token of the file was not sent with the call")
