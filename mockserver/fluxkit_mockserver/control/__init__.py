"""The control of a mock: what tests in any language ask of it and tell it, under ``/__mock__/``.

One table (``routes``) says what there is: from it calls are led, checked and answered, and the OpenAPI document and the
reference are written. No HTTP library: the same functions serve a mock in process and one on a port. It is loaded when
it is first asked, because most mocks are made, used and thrown away without it.
"""
