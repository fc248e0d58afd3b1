"""Drives a server of toxiproxy's API with PyPI's toxiproxy-python. Arguments: the host and the port of the API. Says what
it found as one line of JSON, and fails where something is not as it should be."""

import json
import socket
import socketserver
import sys
import threading

from toxiproxy import Toxiproxy
from toxiproxy.exceptions import InvalidToxic, NotFound, ProxyExists


class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        while data := self.request.recv(4096):
            self.request.sendall(data)


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True


def talk(listen, text):
    """What comes back on a connection, or the name of what ended it."""
    host, port = listen.rsplit(":", 1)
    try:
        with socket.create_connection((host, int(port)), timeout=10) as stream:
            stream.sendall(text)
            heard = b""
            while len(heard) < len(text) and (data := stream.recv(4096)):
                heard += data
            return heard
    except OSError as error:
        return type(error).__name__


def refused(error, do):
    try:
        do()
    except error:
        return
    raise AssertionError(f"no {error.__name__}")


def main():
    upstream = Server(("127.0.0.1", 0), Echo)
    threading.Thread(target=upstream.serve_forever, daemon=True).start()
    to = "127.0.0.1:%d" % upstream.server_address[1]
    checked = []

    server = Toxiproxy()
    server.update_api_consumer(sys.argv[1], int(sys.argv[2]))
    assert server.running()
    assert json.loads(server.version()) == {"version": "2.12.0"}
    checked.append("running, version")

    proxy = server.create(upstream=to, name="python")
    assert proxy.enabled and talk(proxy.listen, b"hello") == b"hello"
    refused(ProxyExists, lambda: server.create(upstream=to, name="python"))
    assert list(server.proxies()) == ["python"] and server.get_proxy("nobody") is None
    checked.append("create, proxies, get_proxy")

    proxy.add_toxic(type="latency", attributes={"latency": 5, "jitter": 2})
    proxy.add_toxic(name="small", type="limit_data", stream="downstream", toxicity=1.0, attributes={"bytes": 3})
    assert sorted(proxy.toxics()) == ["latency_downstream", "small"]
    toxic = proxy.get_toxic("small")
    assert (toxic.type, toxic.stream, toxic.toxicity, toxic.attributes) == ("limit_data", "downstream", 1.0, {"bytes": 3})
    assert talk(proxy.listen, b"hello") == b"hel"
    refused(InvalidToxic, lambda: proxy.add_toxic(type="nothing"))
    refused(ProxyExists, lambda: proxy.add_toxic(type="latency"))
    assert proxy.destroy_toxic("small") and proxy.get_toxic("small") is None
    refused(NotFound, lambda: proxy.destroy_toxic("small"))
    assert talk(proxy.listen, b"hello") == b"hello"
    checked.append("add_toxic, toxics, get_toxic, destroy_toxic")

    with proxy.down():
        assert talk(proxy.listen, b"hello") == "ConnectionRefusedError"
    assert talk(proxy.listen, b"hello") == b"hello"
    proxy.disable()
    assert server.reset() and not proxy.toxics()
    assert talk(proxy.listen, b"hello") == b"hello"
    checked.append("down, disable, reset")

    made = server.populate([{"name": "python", "upstream": to, "listen": proxy.listen}, {"name": "other", "upstream": to, "listen": "127.0.0.1:0"}])
    assert [one.name for one in made] == ["other"]
    server.destroy_all()
    assert server.proxies() == {}
    checked.append("populate, destroy_all")
    print(json.dumps(checked))


main()
