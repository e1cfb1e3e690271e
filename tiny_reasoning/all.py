from .config import *
from .data import *
from .model import *
from .generate import *
from .train import *
from .eval import *
from .chat import *
from .demo import *
