"""The ways a message reaches a person. A channel is a module with `compile(message, …) → program` and
`program.render(person) → Payload`; a new one is a new module and a row here.
"""

from messaging.channels import email, webhook

REGISTRY = {"email": email, "webhook": webhook}
