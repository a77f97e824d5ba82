#!/usr/bin/python3
"""A plugin of pgregent without Go: a callback that notes each event in a file.

It needs Debian's python3-grpcio, python3-protobuf, openssl and protoc:

    protoc -I plugins/proto --python_out=/usr/local/libexec/note plugin.proto
    install plugins/example/note.py /usr/local/libexec/note/

    plugins: {note: {path: /usr/local/libexec/note/note.py, settings: {file: /tmp/events}}}
"""
import base64
import concurrent.futures
import datetime
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading

if os.environ.get("PGREGENT_PLUGIN") != "b2f7d1f0-pgregent.plugin":
    sys.exit("note.py is a plugin of pgregent: the agent starts it")

import grpc
import plugin_pb2 as pb

SETTINGS = [pb.Setting(name="file", type=pb.Setting.TYPE_STRING, required=True, help="the file to write to")]


def log(level, message, **facts):
    """One line of JSON on standard error is one line of the agent's log."""
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    facts.update({"@timestamp": now, "@level": level, "@message": message})
    print(json.dumps(facts), file=sys.stderr, flush=True)


class Note:
    """What the plugin does. gRPC calls its methods from several threads."""

    def __init__(self):
        self.file = None
        self.lock = threading.Lock()

    def Info(self, request, context):
        return pb.InfoResponse(name="note", version="1.0", capabilities=[pb.CAPABILITY_CALLBACK], settings=SETTINGS)

    def Configure(self, request, context):
        settings = json.loads(request.settings or b"{}")
        answer = pb.ConfigureResponse()
        for key in settings.keys() - {"file"}:
            answer.findings.add(key=key, message="is not a setting of this plugin")
        if not isinstance(settings.get("file"), str):
            answer.findings.add(key="file", message="is not set; it must be the file to write to")
        if not answer.findings:
            self.file = settings["file"]
        return answer

    def Health(self, request, context):
        return pb.HealthResponse(ok=True)

    def Notify(self, event, context):
        if self.file is None:
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, "it is not configured yet")
        trace = dict(context.invocation_metadata()).get("traceparent", "")
        with self.lock, open(self.file, "a") as f:
            f.write(f"{event.action} {event.role} {event.cluster}\n")
        log("info", "noted", action=event.action, role=event.role, traceparent=trace)
        return pb.NotifyResponse()


def serve(server, service, methods):
    """Registers methods, which are (function, type of its request)."""
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(
        "pgregent.plugin.v1." + service,
        {f.__name__: grpc.unary_unary_rpc_method_handler(f, t.FromString, lambda m: m.SerializeToString()) for f, t in methods},
    )])


def certificate(directory):
    """A key and a certificate for this process alone."""
    key, cert = os.path.join(directory, "key"), os.path.join(directory, "cert")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "3650",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", cert],
        check=True, capture_output=True)
    with open(key, "rb") as k, open(cert, "rb") as c:
        return k.read(), c.read()


def die_with_agent():
    """Standard input ends when the agent does: so does this process, with all that it has started."""
    while os.read(0, 4096):
        pass
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


def main():
    note = Note()
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(max_workers=4))
    serve(server, "Base", [(note.Info, pb.InfoRequest), (note.Configure, pb.ConfigureRequest), (note.Health, pb.HealthRequest)])
    serve(server, "Callback", [(note.Notify, pb.Event)])
    with tempfile.TemporaryDirectory(dir=os.environ.get("PLUGIN_UNIX_SOCKET_DIR")) as directory:
        key, cert = certificate(directory)
        credentials = grpc.ssl_server_credentials(
            [(key, cert)], root_certificates=os.environ["PLUGIN_CLIENT_CERT"].encode(), require_client_auth=True)
        address = os.path.join(directory, "s")
        server.add_secure_port("unix:" + address, credentials)
        server.start()
        der = base64.b64decode("".join(cert.decode().split("\n")[1:-2]))
        # Core protocol, version of the contract, where, what, and the certificate.
        print("1|1|unix|" + address + "|grpc|" + base64.b64encode(der).decode().rstrip("="), flush=True)
        threading.Thread(target=die_with_agent, daemon=True).start()
        server.wait_for_termination()


main()
