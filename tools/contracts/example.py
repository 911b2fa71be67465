# pip install kafka-python     python example.py localhost:9092 demo +14155550199
import json, sys, time, uuid
from kafka import KafkaConsumer, KafkaProducer

brokers, tenant, to = sys.argv[1:4]
request = {"tenant": tenant, "idempotencyKey": f"order-{uuid.uuid4()}-shipped", "to": to, "body": "Your order has shipped"}
headers = {
    "ce_specversion": "1.0",
    "content-type": "application/json",
    "ce_id": str(uuid.uuid4()),
    "ce_source": "//shop/orders",
    "ce_type": "messaging.send.v1",
    "ce_time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
}
producer = KafkaProducer(bootstrap_servers=brokers, acks="all", enable_idempotence=True)
producer.send(
    "commands.messaging.v1",
    key=f"{tenant}:{to}".encode(),
    value=json.dumps(request).encode(),
    headers=[(name, value.encode()) for name, value in headers.items()],
).get(timeout=10)  # raises when the brokers did not take it: publish it again, under the same idempotency key

consumer = KafkaConsumer(
    "events.messaging.v1",
    bootstrap_servers=brokers,
    group_id="order-service",
    isolation_level="read_committed",
    enable_auto_commit=False,
    auto_offset_reset="earliest",
)
last = {}  # message id → sequence; in a real service a column beside what the event changes
for record in consumer:
    type = {name: value.decode() for name, value in record.headers}["ce_type"]
    event = json.loads(record.value)
    new = type == "messaging.message.state-changed.v1" and event["sequence"] > last.get(event["messageId"], 0)
    if new and event["tenant"] == tenant:
        last[event["messageId"]] = event["sequence"]
        print(event["idempotencyKey"], event["sequence"], event["state"], (event["error"] or {}).get("code", ""))
    consumer.commit()  # after the work, or many records later: what was not committed comes again
    if new and event["idempotencyKey"] == request["idempotencyKey"] and event["state"] in ("delivered", "undelivered", "failed", "rejected", "canceled", "expired"):
        break
