"""The Chatbot Platform: the application whose releases the project's examples prove."""
