// Mounts the page.
import { mount } from 'svelte';
import './style.css';
import App from './App.svelte';

const target = document.getElementById('page');
if (!target) throw new Error('index.html has no element with id "page"');
export default mount(App, { target });
