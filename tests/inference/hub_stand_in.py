"""A local server that speaks what huggingface_hub asks the Hub, with LFS for weights."""

import asyncio
import base64
import hashlib
import json
import threading

from aiohttp import web

TOKEN = "hf_test"


class HubStandIn:
    """Runs in a thread of its own while it is a context.

    Attributes:
        url: its address.
        repositories: {user/name: [{path: bytes}, ...]}, one dictionary a commit.
        private: names of repositories that were made private.
        requests: the method and path of every request.
    """

    def __init__(self):
        self.repositories, self.private, self.requests = {}, set(), []
        self.stated_sizes = {}  # {file: a size that is not true}
        self._large = {}

    def __enter__(self):
        started = threading.Event()
        self._loop = asyncio.new_event_loop()

        async def start():
            application = web.Application(middlewares=[self._checked], client_max_size=1 << 28)
            name = "/{user}/{name}"
            application.add_routes(
                [
                    web.post("/api/repos/create", self._create),
                    web.post("/api/validate-yaml", self._validate),
                    web.post(f"/api/models{name}/preupload/{{revision}}", self._preupload),
                    web.post(f"/api/models{name}/commit/{{revision}}", self._commit),
                    web.get(f"/api/models{name}", self._info),
                    web.get(f"/api/models{name}/revision/{{revision}}", self._info),
                    web.post("/{user}/{name}.git/info/lfs/objects/batch", self._batch),
                    web.put("/large/{oid}", self._upload),
                    web.post("/verify", self._verify),
                    web.get(f"{name}/resolve/{{revision}}/{{path}}", self._file),
                ]
            )
            self._runner = web.AppRunner(application, shutdown_timeout=0.1)
            await self._runner.setup()
            site = web.TCPSite(self._runner, "127.0.0.1", 0)
            await site.start()
            self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
            started.set()

        def run():
            self._loop.run_until_complete(start())
            self._loop.run_forever()
            self._loop.run_until_complete(self._runner.cleanup())

        self._thread = threading.Thread(target=run, daemon=True)
        self._thread.start()
        assert started.wait(10)
        return self

    def __exit__(self, *unused):
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    @web.middleware
    async def _checked(self, request, handler):
        self.requests.append((request.method, request.path))
        writes = request.method == "POST" and request.path not in ("/api/validate-yaml", "/verify")
        if writes and request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return web.json_response({"error": "Invalid username or password."}, status=401)
        return await handler(request)

    def _commits(self, request):
        found = f"{request.match_info['user']}/{request.match_info['name']}"
        if found not in self.repositories:
            text = json.dumps({"error": "Repository not found"})
            raise web.HTTPNotFound(headers={"X-Error-Code": "RepoNotFound"}, text=text)
        return self.repositories[found]

    def _revision(self, request):
        """(sha, files) of what a request asks for."""
        commits = self._commits(request)
        named = {sha_of(number): files for number, files in enumerate(commits)}
        revision = request.match_info.get("revision", "main")
        if revision == "main" and commits:
            return list(named.items())[-1]
        if revision not in named:
            raise web.HTTPNotFound(headers={"X-Error-Code": "RevisionNotFound"}, text="{}")
        return revision, named[revision]

    async def _create(self, request):
        asked = await request.json()
        name = f"{asked['organization']}/{asked['name']}"
        if asked["organization"] != "me":
            return web.json_response({"error": "You don't have the rights to create a model there"}, status=403)
        if name in self.repositories:
            return web.json_response({"url": f"{self.url}/{name}", "error": "You already created it"}, status=409)
        self.repositories[name] = []
        if asked.get("visibility") == "private":
            self.private.add(name)
        return web.json_response({"url": f"{self.url}/{name}"})

    async def _validate(self, request):
        assert (await request.json())["content"].startswith("---\n")
        return web.json_response({"errors": [], "warnings": []})

    async def _preupload(self, request):
        files = (await request.json())["files"]
        modes = [
            {
                "path": file["path"],
                "uploadMode": "lfs" if file["path"].endswith(".h5") else "regular",
                "shouldIgnore": False,
            }
            for file in files
        ]
        return web.json_response({"files": modes})

    async def _batch(self, request):
        objects = (await request.json())["objects"]
        for each in objects:
            each["actions"] = {
                "upload": {"href": f"{self.url}/large/{each['oid']}"},
                "verify": {"href": f"{self.url}/verify"},
            }
        return web.json_response({"transfer": "basic", "objects": objects})

    async def _upload(self, request):
        contents = await request.read()
        assert hashlib.sha256(contents).hexdigest() == request.match_info["oid"]
        self._large[request.match_info["oid"]] = contents
        return web.Response()

    async def _verify(self, request):
        asked = await request.json()
        assert len(self._large[asked["oid"]]) == asked["size"]
        return web.Response()

    async def _commit(self, request):
        commits = self._commits(request)
        files = dict(commits[-1]) if commits else {}
        for line in (await request.text()).splitlines():
            item = json.loads(line)
            value = item["value"]
            if item["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif item["key"] == "lfsFile":
                files[value["path"]] = self._large[value["oid"]]
        commits.append(files)
        sha = sha_of(len(commits) - 1)
        name = f"{request.match_info['user']}/{request.match_info['name']}"
        return web.json_response({"commitUrl": f"{self.url}/{name}/commit/{sha}", "commitOid": sha})

    async def _info(self, request):
        if request.match_info["user"] == "portal":  # what a hotel answers in the Hub's place
            return web.Response(text="<html>Log in</html>", content_type="text/html")
        sha, files = self._revision(request)
        siblings = [
            {"rfilename": path, "size": self.stated_sizes.get(path, len(contents))} for path, contents in files.items()
        ]
        name = f"{request.match_info['user']}/{request.match_info['name']}"
        return web.json_response({"id": name, "sha": sha, "siblings": siblings, "tags": []})

    async def _file(self, request):
        sha, files = self._revision(request)
        path = request.match_info["path"]
        if path not in files:
            raise web.HTTPNotFound(headers={"X-Error-Code": "EntryNotFound", "X-Repo-Commit": sha}, text="{}")
        etag = f'"{hashlib.sha256(files[path]).hexdigest()}"'
        return web.Response(body=files[path], headers={"ETag": etag, "X-Repo-Commit": sha})


def sha_of(number):
    """The name of a repository's commit."""
    return hashlib.sha1(str(number).encode()).hexdigest()
