import io

import pytest


class Wire:
    """Stands in for the network: answers every request of the HTTP session."""

    def __init__(self, content=b"", status=200, error=None):
        self.content, self.status, self.error = content, status, error
        self.bodies = []

    def __call__(self, request, **_options):
        import requests

        self.bodies.append(request.body)
        if self.error:
            raise self.error
        response = requests.Response()
        response.status_code = self.status
        response.request, response.url = request, request.url
        response.raw = io.BytesIO(self.content)
        return response


@pytest.fixture
def wire(monkeypatch):
    def put(**options):
        made = Wire(**options)
        monkeypatch.setattr("requests.adapters.HTTPAdapter.send", made)
        return made

    return put
