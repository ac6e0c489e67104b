// Where the page begins.
import "uplot/dist/uPlot.min.css";
import "./styles/base.css";
import "./styles/parts.css";
import "./styles/views.css";
import { App } from "./app";

new App().start();
