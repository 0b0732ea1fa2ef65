#version 330
out float covered;
void main() {
    covered = 1.0;
}
