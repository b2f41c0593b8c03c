"""The images by the names that tests/kubernetes/images.sh gives them."""

LANGUAGES = ("go", "python", "node", "java")
RELAY = "localhost/smile-relay:test"
SENDER = "localhost/smile-relay-sender:test"
SERVICES = {language: f"localhost/smile-relay-service-{language}:test" for language in LANGUAGES}
ALL = (RELAY, SENDER, *SERVICES.values())
