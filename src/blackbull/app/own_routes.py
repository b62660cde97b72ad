"""Routes on a port of their own: what the public is not to see."""

from __future__ import annotations

from blackbull.server.own_port import OwnPort

from .application import BlackBull


class OwnRoutes(OwnPort):
    """A port with routes of its own, which several extensions may share.

    Args:
        name: What the start line and connections are called.
        host: The application whose settings hold on the port, too.
        port: The port; 0 takes any free one.
        tls: Speak TLS: True with the server's certificates, or others.

    Attributes:
        routes: Where they are registered: an application without a life of its own.
    """

    def __init__(self, name: str, host: BlackBull, *, port: int, tls: object = False) -> None:
        self.routes = BlackBull(settings=host.given_settings)
        super().__init__(name, self.routes, port=port, settings=lambda: host.settings, tls=tls)


def own_routes(app: BlackBull, name: str, *, port: int, tls: object = False) -> OwnRoutes:
    """Return the routes on *port* of *app*, made if no extension has asked for that port before.

    Args:
        app: The application.
        name: What the port is called, if it is made now.
        port: The port; 0 takes any free one, and is never shared.
        tls: Speak TLS: True with the server's certificates, or others.

    Raises:
        ConfigurationError: another protocol has the port, or the name.
    """
    for binding in app.protocols.bindings:
        if port and binding.port == port and isinstance(binding, OwnRoutes):
            return binding
    made = OwnRoutes(name, app, port=port, tls=tls)
    app.protocols.add(made)
    return made
