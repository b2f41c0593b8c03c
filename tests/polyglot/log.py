"""What the relay's log holds, in the form in which the conformance programs print events.

Read by grpcurl, which shares no code with any of the packages. And, for the samples, made from their files, which
shares none with the relay either.
"""

import json
import re

from .webhooks import SAMPLES

# Fields of an Event that are no content.
ENVELOPE = {
    "id", "sequence", "cursor", "type", "typeName", "version", "createdAt", "receivedAt", "source", "endpoint",
    "userId", "decodeIssues", "rawBody", "signature", "conflictsWith", "traceparent", "omitted", "report",
}  # fmt: skip


def held(relay):
    """Every event that the relay holds, in order."""
    events, token = [], ""
    while True:
        page = relay.call("ListEvents", {"page_size": 1000, "page_token": token})
        events += [as_printed(event) for event in page.get("events", [])]
        if not (token := page.get("nextPageToken", "")):
            return events


def as_printed(event):
    """The line of a conformance program for an event in protobuf's JSON."""
    content = next((name for name in event if name not in ENVELOPE), "")
    omitted = event.get("omitted", {}).get("reason", "")
    printed = {
        "sequence": int(event["sequence"]),
        "id": event["id"],
        "type": event.get("type", "EVENT_TYPE_UNSPECIFIED"),
        "type_name": event.get("typeName", ""),
        "cursor": event["cursor"],
        "user_id": event.get("userId", ""),
        "data": re.sub("[A-Z]", lambda capital: "_" + capital[0].lower(), content),
        "omitted": omitted.removeprefix("OMITTED_REASON_"),
        "issues": len(event.get("decodeIssues", [])),
        "raw_bytes": 0,
    }
    if "createdAt" in event:
        printed["created_at"] = event["createdAt"]
    if content == "taskFinished":
        incomes = event[content].get("payload", {}).get("incomes", {}).get("items", [])
        if incomes and "netAmount" in incomes[0]:
            printed["net_amount"] = incomes[0]["netAmount"]["value"]
    return printed


def of_sample(type_name, sequence):
    """The line for a sample that was sent with its own id and time. It has no cursor: only the relay knows that."""
    # Amounts are kept as their text: 19864.3300, not 19864.33.
    event = json.loads((SAMPLES / f"{type_name}.json").read_text(), parse_float=str)
    data = event["data"]
    printed = {
        "sequence": sequence,
        "id": event["id"],
        "type": f"EVENT_TYPE_{type_name}",
        "type_name": type_name,
        "user_id": data.get("userId") or data.get("session", {}).get("userId") or "",
        "data": type_name.lower(),
        "omitted": "",
        "issues": 0,
        "raw_bytes": 0,
        "created_at": event["createdAt"],
    }
    if type_name == "TASK_FINISHED":
        printed["net_amount"] = data["payload"]["incomes"]["items"][0]["netAmount"]
    return printed
