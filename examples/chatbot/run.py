"""Start the chatbot of the artifact this file lies in, whatever the working folder is."""

import sys

from chatbot.__main__ import main

if __name__ == "__main__":
    sys.exit(main())
