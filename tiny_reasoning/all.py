from .config import *
from .files import *
from .data import *
from .model import *
from .generate import *
from .train import *
from .eval import *
from .demo import *
