"""The servers that are programs of ours: the floor, answers that are fixed, and a mock whose tasks end at once."""

#: What is bought, at the path that ours serves it at.
SUBMIT = "/magnific/v1/ai/text-to-image/flux-2-klein"
TASK = "046b6c7f-0b8a-43b9-b35d-6489e6daee91"
ANSWER = f'{{"data":{{"task_id":"{TASK}","status":"CREATED"}}}}'

_STARLETTE = """
import socket, uuid, uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

async def create(request):
    {create}

async def status(request):
    return Response({answer!r}, media_type="application/json")

app = Starlette(routes=[Route({path!r}, create, methods=["POST"]), Route({path!r} + "/{{id}}", status)])
listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
print("http://127.0.0.1:%d" % listener.getsockname()[1], flush=True)
uvicorn.Server(uvicorn.Config(app, log_level="critical", access_log=False)).run(sockets=[listener])
"""

_READS = """
    await request.json()
    return JSONResponse({"data": {"task_id": str(uuid.uuid4()), "status": "CREATED"}})
"""

_FIXED = f"""
    await request.body()
    return Response({ANSWER!r}, media_type="application/json")
"""

#: The least that a mock of this service by hand does: it reads the JSON, and answers each submit with an id of its own.
FLOOR = _STARLETTE.format(create=_READS.strip(), answer=ANSWER, path=SUBMIT)

#: Less than any mock does: what comes is not read, and what is answered is the same for all.
FIXED = _STARLETTE.format(create=_FIXED.strip(), answer=ANSWER, path=SUBMIT)

HTTPSERVER = f"""
import time
from pytest_httpserver import HTTPServer

server = HTTPServer(threaded=True)
server.expect_request({SUBMIT!r}, method="POST").respond_with_data({ANSWER!r}, content_type="application/json")
server.expect_request({SUBMIT!r} + "/" + {TASK!r}).respond_with_data({ANSWER!r}, content_type="application/json")
server.start()
print(server.url_for("").rstrip("/"), flush=True)
time.sleep(1e6)
"""

#: A mock whose tasks end at once, for what a finished task weighs.
QUICK = """
from fluxkit._plugins import installed
from fluxkit_mockserver.clock import WallClock
from fluxkit_mockserver.server import serve
from fluxkit_mockserver.service import MockService

registry = installed()
providers = [registry.provider(name) for name in registry.names]
mock = MockService(providers, clock=WallClock(), durations=lambda _: 0.001)
serve(mock, port=0, ready=lambda url: print(url, flush=True))
"""

#: WireMock reads no OpenAPI, so it has what its users write: which calls are meant, and what they are answered.
STUBS = {
    "mappings": [
        {
            "request": {
                "method": "POST",
                "urlPath": SUBMIT,
                "headers": {"x-magnific-api-key": {"equalTo": "test"}},
                "bodyPatterns": [{"matchesJsonPath": "$.prompt"}],
            },
            "response": {"status": 200, "headers": {"content-type": "application/json"}, "body": ANSWER},
        },
        {
            "request": {
                "method": "GET",
                "urlPathTemplate": f"{SUBMIT}/{{id}}",
                "headers": {"x-magnific-api-key": {"equalTo": "test"}},
            },
            "response": {"status": 200, "headers": {"content-type": "application/json"}, "body": ANSWER},
        },
    ]
}
