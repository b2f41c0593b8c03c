"""One relay for services in pods of their own, which show the tokens of their service accounts."""

from .. import services, shapes
from ..images import LANGUAGES
from ..release import Release
from ..sender import Sender


def four_languages(stage):
    """Services in four languages, over TLS, get every event once and in one order."""
    namespace = stage.namespace()
    release = Release(namespace, shapes.shared(namespace))
    release.install()
    for language in LANGUAGES:
        namespace.service_account(f"service-{language}")
    subscribed = [stage.service(namespace, language, release) for language in LANGUAGES]
    sender = Sender(namespace, release.public_url, rate=50, seconds=5)
    last = sender.await_end(60)
    services.expect_delivered(subscribed, sender.ids(last))
    stage.note(f"{last['sent']} webhooks to {len(subscribed)} services: {', '.join(LANGUAGES)}")
