from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class Payment(_message.Message):
    __slots__ = ("transaction_id", "time_s", "customer", "terminal", "amount")
    TRANSACTION_ID_FIELD_NUMBER: _ClassVar[int]
    TIME_S_FIELD_NUMBER: _ClassVar[int]
    CUSTOMER_FIELD_NUMBER: _ClassVar[int]
    TERMINAL_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    transaction_id: int
    time_s: float
    customer: int
    terminal: int
    amount: float
    def __init__(self, transaction_id: _Optional[int] = ..., time_s: _Optional[float] = ..., customer: _Optional[int] = ..., terminal: _Optional[int] = ..., amount: _Optional[float] = ...) -> None: ...

class Answer(_message.Message):
    __slots__ = ("transaction_id", "fraud", "decision", "tier", "degraded", "reason", "model", "repeated")
    TRANSACTION_ID_FIELD_NUMBER: _ClassVar[int]
    FRAUD_FIELD_NUMBER: _ClassVar[int]
    DECISION_FIELD_NUMBER: _ClassVar[int]
    TIER_FIELD_NUMBER: _ClassVar[int]
    DEGRADED_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    REPEATED_FIELD_NUMBER: _ClassVar[int]
    transaction_id: int
    fraud: float
    decision: str
    tier: str
    degraded: bool
    reason: str
    model: str
    repeated: bool
    def __init__(self, transaction_id: _Optional[int] = ..., fraud: _Optional[float] = ..., decision: _Optional[str] = ..., tier: _Optional[str] = ..., degraded: _Optional[bool] = ..., reason: _Optional[str] = ..., model: _Optional[str] = ..., repeated: _Optional[bool] = ...) -> None: ...
