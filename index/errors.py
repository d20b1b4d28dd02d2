"""The error tree. Every error says what happened, to which file, and what to do next.

QAError
    DocumentError    unreadable, encrypted, empty, too large: names the file; the other files go on
        NameTaken    another file has its name, and was not to be replaced
        Twin         its content was stored meanwhile, as another file
        Lost         another process has taken it in meanwhile
    IndexMissing     nothing is indexed yet
    IndexMismatch    the index was made with another model, chunking or format
    IndexLocked      another process is writing
    Conflict         what was said does not fit what is stored now
    StorageError     the data folder cannot be read or written
        StoreError   the files that wait, or the originals, cannot be reached; what waits goes on waiting
    EngineError      a search engine failed; the cause is chained
    ModelError       a model is missing, corrupt or unusable: the answer goes on without it
    UsageError       a command was given what cannot be: exit status 2
    Busy             the service has as much to do as it takes on
"""


class QAError(Exception):
    """Base of every error a user may see: what happened (`message`) and what to do next (`hint`)."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class DocumentError(QAError):
    """One document cannot be taken in; the others are not affected."""


class NameTaken(DocumentError):
    """Another file has the name of one that is not to take its place; nothing was done."""


class Twin(DocumentError):
    """The content of a file was stored meanwhile, as the document `document_id`; nothing was done."""

    def __init__(self, message: str, hint: str, document_id: str) -> None:
        super().__init__(message, hint)
        self.document_id = document_id


class Lost(DocumentError):
    """A document is not this process's to take in any more: another one has done so; nothing was done."""


class IndexMissing(QAError):
    """A question was asked before anything was indexed."""


class IndexMismatch(QAError):
    """The stored index does not fit the settings; it is refused rather than searched wrongly."""


class IndexLocked(QAError):
    """Another process is writing to the same data folder."""


class Conflict(QAError):
    """What was said does not fit what is stored now; nothing was done."""


class StorageError(QAError):
    """The data folder cannot be created, read or written."""


class StoreError(StorageError):
    """The store of files that wait, and of originals, cannot be used for now."""


class EngineError(QAError):
    """A search engine failed; its own exception is the cause."""


class ModelError(QAError):
    """A model cannot be used: the one that embeds, reranks, or reads."""


class UsageError(QAError):
    """A command was given what cannot be, such as a name that nothing has; nothing was done."""


class Busy(QAError):
    """The service has as much to do as it takes on; nothing was done, later it will be."""
